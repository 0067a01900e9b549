//! Log lines as text.

use std::{
    cell::{Cell, RefCell},
    fmt::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Writer},
        time::{self, FormatTime},
    },
    registry::LookupSpan,
};

/// Writes lines as [`Format`] does, and the plain ones, without colours and outside of spans, at a third of the cost: each
/// request writes one.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rich: Format,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if writer.has_ansi_escapes() || context.lookup_current().is_some() {
            return self.rich.format_event(context, writer, event);
        }
        let meta = event.metadata();
        // As wide as the longest of them.
        let level = match *meta.level() {
            Level::ERROR => " ERROR ",
            Level::WARN => "  WARN ",
            Level::INFO => "  INFO ",
            Level::DEBUG => " DEBUG ",
            Level::TRACE => " TRACE ",
        };
        // Taken rather than borrowed: to write a field may log.
        let mut line = LINE.take();
        line.clear();
        line.reserve(EXPECTED);
        let mut fields = Fields {
            line,
            result: Ok(()),
        };
        Clock.format_time(&mut Writer::new(&mut fields.line))?;
        for part in [level, meta.target(), ":"] {
            fields.line.push_str(part);
        }
        event.record(&mut fields);
        fields.result?;
        fields.line.push('\n');
        let written = writer.write_str(&fields.line);
        if fields.line.capacity() <= MOST_KEPT {
            LINE.set(fields.line);
        }
        written
    }
}

/// Bytes that suffice for most lines.
const EXPECTED: usize = 512;

/// Bytes that a thread keeps for its next line.
const MOST_KEPT: usize = 4096;

thread_local! {
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// Writes fields, each after a space. The line is put together here, as the library's writer is asked for each piece through
/// a pointer.
struct Fields {
    line: String,
    result: fmt::Result,
}

impl Fields {
    fn name(&mut self, field: &Field) {
        self.line.push(' ');
        let name = field.name();
        if name != "message" {
            self.line.push_str(name.strip_prefix("r#").unwrap_or(name));
            self.line.push('=');
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
        // All bytes are looked at, which takes less time than to stop at the first.
        let all_plain = value.bytes().fold(true, |all, byte| all & is_plain(byte));
        if field.name() == "message" || !all_plain {
            return self.record_debug(field, &value);
        }
        self.name(field);
        for part in ["\"", value, "\""] {
            self.line.push_str(part);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        push_digits(&mut self.line, value, 1);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        self.line.push_str(if value { "true" } else { "false" });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        let written = write!(self.line, "{value:?}");
        self.result = self.result.and(written);
    }
}

/// Writes a number, with zeros before it if it has fewer digits than `least`.
fn push_digits(line: &mut String, number: u64, least: usize) {
    const DIGITS: usize = 20; // as many as the largest has
    let (mut digits, mut rest) = ([0; DIGITS], number);
    let mut first = DIGITS;
    while rest > 0 || DIGITS - first < least {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    for digit in &digits[first..] {
        line.push(char::from(*digit));
    }
}

/// The time as [`time::SystemTime`] writes it, which is asked once a second for all but the microseconds.
#[derive(Debug, Default)]
struct Clock;

/// The last second of the clock, and how it is written.
#[derive(Default)]
struct Second {
    number: u64,
    text: String,
}

thread_local! {
    static LAST: RefCell<Second> = RefCell::default();
}

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = since_1970();
        LAST.with_borrow_mut(|last| {
            if last.number == now.as_secs() {
                let (text, micros) = (&mut last.text, u64::from(now.subsec_micros()));
                let seconds = text.len();
                text.push('.');
                push_digits(text, micros, 6);
                text.push('Z');
                let written = writer.write_str(text);
                text.truncate(seconds);
                return written;
            }
            let mut text = String::new();
            time::SystemTime.format_time(&mut Writer::new(&mut text))?;
            if since_1970().as_secs() == now.as_secs()
                && let Some((second, _)) = text.split_once('.')
            {
                (last.number, last.text) = (now.as_secs(), second.to_owned());
            }
            writer.write_str(&text)
        })
    }
}

fn since_1970() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing::subscriber::with_default;
    use tracing_subscriber::fmt::format;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that a format makes of some events, without their times.
    fn lines<E>(format: E, ansi: bool) -> Vec<String>
    where
        E: FormatEvent<tracing_subscriber::Registry, format::DefaultFields> + Send + Sync + 'static,
    {
        let written = Written::default();
        let to = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(ansi)
            .event_format(format)
            .with_writer(move || to.clone())
            .finish();
        with_default(subscriber, || {
            let none: Option<&str> = None;
            tracing::info!(
                status = 200,
                none_yet = 0_u64,
                most = u64::MAX,
                model = "gpt-4o",
                none,
                share = 0.5,
                ok = true,
                "request"
            );
            tracing::warn!(
                model = "a\"b\u{1b}[31m\n",
                "error.type" = "timeout",
                "one of {}",
                2
            );
            tracing::error!(error = %fmt::Error, list = ?[1, 2], r#type = "x");
            tracing::debug!(error = &fmt::Error as &dyn std::error::Error, "failed");
            tracing::debug_span!("attempt", number = 1).in_scope(|| tracing::trace!("inside"));
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let after_time = |line: &str| line.split_once('Z').unwrap().1.to_owned();
        text.lines().map(after_time).collect()
    }

    #[test]
    fn lines_are_those_of_the_library() {
        for ansi in [false, true] {
            let expected = lines(format(), ansi);
            assert_eq!(expected.len(), 5, "{expected:?}");
            assert_eq!(lines(Lines::default(), ansi), expected);
        }
    }

    #[test]
    fn times_are_those_of_the_library() {
        for _ in 0..2 {
            let (mut ours, mut theirs) = (String::new(), String::new());
            Clock.format_time(&mut Writer::new(&mut ours)).unwrap();
            time::SystemTime
                .format_time(&mut Writer::new(&mut theirs))
                .unwrap();
            assert_eq!(ours.len(), theirs.len(), "{ours} {theirs}");
            assert!(ours <= theirs, "{ours} {theirs}");
        }
    }
}

//! Log lines that wait for a worker's pause.

use std::{
    cell::Cell,
    io::{self, Write, stderr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Standard error, to which workers write the lines of requests together, when they have nothing else to do: each call to
/// the system costs about as much as all layers of a request.
///
/// Only lines of the level `info` wait, and only those of threads that have come to a [`pause`] and so will come to the
/// next. What waits is written before the thread sleeps, before any other line, and when it is [`MOST`] bytes. A process
/// that is killed in between loses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held;

/// Bytes beyond which no further line waits: what a pipe holds on Linux, see pipe(7).
const MOST: usize = 64 * 1024;

static LINES: Mutex<Lines> = Mutex::new(Lines(Vec::new()));

thread_local! {
    static PAUSES: Cell<bool> = const { Cell::new(false) };
}

/// Writes what waits, and lets this thread's next lines wait until it comes here again. For the runtime's
/// [`on_thread_park`](tokio::runtime::Builder::on_thread_park).
pub(crate) fn pause() {
    PAUSES.set(true);
    flush();
}

/// Writes what waits, of all threads.
pub(crate) fn flush() {
    // Where the log itself cannot be written, nobody is left to be told.
    let _ = lines().give_out(&mut stderr());
}

fn lines() -> MutexGuard<'static, Lines> {
    // A panic leaves whole lines.
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What waits, in the order in which it was logged.
#[derive(Debug)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, line: &[u8], may_wait: bool, to: &mut impl Write) -> io::Result<()> {
        if may_wait && self.0.len() < MOST {
            self.0.extend_from_slice(line);
            return Ok(());
        }
        let given = self.give_out(to);
        to.write_all(line).and(given)
    }

    fn give_out(&mut self, to: &mut impl Write) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let given = to.write_all(&self.0);
        self.0.clear();
        given
    }
}

impl<'a> MakeWriter<'a> for Held {
    type Writer = Writer;

    fn make_writer(&'a self) -> Self::Writer {
        Writer { may_wait: false }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Writer {
            may_wait: *meta.level() == Level::INFO && PAUSES.get(),
        }
    }
}

/// Takes whole lines, one at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    may_wait: bool,
}

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        lines().take(line, self.may_wait, &mut stderr())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_may_wait_are_written_at_a_pause_or_before_one_that_may_not() {
        let (mut lines, mut written) = (Lines(Vec::new()), Vec::new());
        lines.take(b"1\n", true, &mut written).unwrap();
        lines.take(b"2\n", true, &mut written).unwrap();
        assert_eq!(written, b"");
        lines.take(b"urgent\n", false, &mut written).unwrap();
        assert_eq!(written, b"1\n2\nurgent\n");
        lines.take(b"3\n", true, &mut written).unwrap();
        lines.give_out(&mut written).unwrap();
        lines.give_out(&mut written).unwrap();
        assert_eq!(written, b"1\n2\nurgent\n3\n");
    }

    #[test]
    fn no_more_waits_than_a_pipe_holds() {
        let (mut lines, mut written) = (Lines(Vec::new()), Vec::new());
        let line = [b'x'; 1000];
        while written.is_empty() {
            lines.take(&line, true, &mut written).unwrap();
            assert!(lines.0.len() < MOST + line.len());
        }
        assert_eq!(written.len(), (MOST / line.len() + 2) * line.len());
        assert!(lines.0.is_empty());
    }

    #[test]
    fn a_log_that_is_closed_does_not_fill_up() {
        let (mut lines, mut full) = (Lines(Vec::new()), [0; 1]);
        lines.take(b"1\n", true, &mut full.as_mut_slice()).unwrap();
        lines.give_out(&mut full.as_mut_slice()).unwrap_err();
        assert!(lines.0.is_empty());
    }
}

//! Log lines that wait for a worker's pause.

use std::{
    cell::Cell,
    io::{self, ErrorKind, Write, stderr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Standard error, to which workers write the lines of requests together, when they have nothing else to do: each call to
/// the system costs about as much as all layers of a request.
///
/// Only lines of the level `info` wait, and only those of threads that have come to a [`pause`] and so will come to the
/// next. What waits is written before the thread sleeps, with the next line that may not wait, and when it is [`MOST`] bytes.
/// A process that is killed in between loses it. Of what standard error does not take at the moment, should it be in
/// non-blocking mode, twice as much is kept; lines beyond it are lost, and counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held;

/// Bytes beyond which no further line waits: what a pipe holds on Linux, see pipe(7).
const MOST: usize = 64 * 1024;

static LINES: Mutex<Lines> = Mutex::new(Lines::new());

thread_local! {
    static PAUSES: Cell<bool> = const { Cell::new(false) };
}

/// Writes what waits, and lets this thread's next lines wait until it comes here again. For the runtime's
/// [`on_thread_park`](tokio::runtime::Builder::on_thread_park).
pub(crate) fn pause() {
    PAUSES.set(true);
    let lost = {
        let mut lines = lines();
        lines.give_out(&mut stderr());
        lines.lost()
    };
    if let Some(lost) = lost {
        tracing::warn!(target: "ziggurat::server", lost, "lines of the log were lost: nobody took them");
    }
}

/// Writes what waits, of all threads.
pub(crate) fn flush() {
    lines().give_out(&mut stderr());
}

fn lines() -> MutexGuard<'static, Lines> {
    // A panic leaves whole lines.
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Lines {
    /// In the order in which they were logged. The first may be written in part.
    waiting: Vec<u8>,
    lost: u64,
}

impl Lines {
    const fn new() -> Self {
        Self {
            waiting: Vec::new(),
            lost: 0,
        }
    }

    fn take(&mut self, line: &[u8], may_wait: bool, to: &mut impl Write) {
        if self.waiting.len() > 2 * MOST {
            self.give_out(to);
        }
        match self.waiting.len() > 2 * MOST {
            true => self.lost += 1,
            false => self.waiting.extend_from_slice(line),
        }
        if !may_wait || self.waiting.len() >= MOST {
            self.give_out(to);
        }
    }

    fn give_out(&mut self, to: &mut impl Write) {
        let mut written = 0;
        while written < self.waiting.len() {
            match to.write(&self.waiting[written..]) {
                Ok(bytes @ 1..) => written += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Where the log cannot be written any more, nobody is left to be told.
                Ok(0) | Err(_) => written = self.waiting.len(),
            }
        }
        self.waiting.drain(..written);
    }

    /// How many lines were lost, once there is room to say so.
    fn lost(&mut self) -> Option<u64> {
        (self.lost > 0 && self.waiting.is_empty()).then(|| std::mem::take(&mut self.lost))
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
        lines().take(line, self.may_wait, &mut stderr());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then none for the moment.
    struct Pipe {
        room: usize,
        taken: Vec<u8>,
    }

    impl Pipe {
        const fn with(room: usize) -> Self {
            let taken = Vec::new();
            Self { room, taken }
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let bytes = &bytes[..bytes.len().min(self.room)];
            if bytes.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= bytes.len();
            self.taken.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_may_wait_are_written_at_a_pause_or_before_one_that_may_not() {
        let (mut lines, mut written) = (Lines::new(), Vec::new());
        lines.take(b"1\n", true, &mut written);
        lines.take(b"2\n", true, &mut written);
        assert_eq!(written, b"");
        lines.take(b"urgent\n", false, &mut written);
        assert_eq!(written, b"1\n2\nurgent\n");
        lines.take(b"3\n", true, &mut written);
        lines.give_out(&mut written);
        lines.give_out(&mut written);
        assert_eq!(written, b"1\n2\nurgent\n3\n");
    }

    #[test]
    fn no_more_waits_than_a_pipe_holds() {
        let (mut lines, mut written) = (Lines::new(), Vec::new());
        let line = [b'x'; 1000];
        while written.is_empty() {
            lines.take(&line, true, &mut written);
            assert!(lines.waiting.len() < MOST);
        }
        assert_eq!(written.len(), (MOST / line.len() + 1) * line.len());
        assert!(lines.waiting.is_empty());
    }

    #[test]
    fn a_log_that_is_closed_does_not_fill_up() {
        let (mut lines, mut full) = (Lines::new(), [0; 1]);
        lines.take(b"1\n", true, &mut full.as_mut_slice());
        lines.give_out(&mut full.as_mut_slice());
        assert!(lines.waiting.is_empty());
    }

    #[test]
    fn what_is_not_taken_now_is_written_later() {
        let (mut lines, mut pipe) = (Lines::new(), Pipe::with(3));
        lines.take(b"first\n", false, &mut pipe);
        assert_eq!(pipe.taken, b"fir");
        pipe.room = 100;
        lines.take(b"second\n", false, &mut pipe);
        assert_eq!(pipe.taken, b"first\nsecond\n");
        assert_eq!(lines.lost(), None);
    }

    #[test]
    fn what_is_never_taken_is_lost_line_by_line_and_counted() {
        let (mut lines, mut pipe) = (Lines::new(), Pipe::with(0));
        let line = [[b'x'; 99].as_slice(), b"\n"].concat();
        let most = 2 * MOST / line.len() + 1;
        for _ in 0..most + 7 {
            lines.take(&line, false, &mut pipe);
        }
        assert_eq!(
            (lines.waiting.len(), lines.lost()),
            (most * line.len(), None)
        );
        pipe.room = usize::MAX;
        lines.give_out(&mut pipe);
        assert_eq!(
            (pipe.taken.len(), lines.lost()),
            (most * line.len(), Some(7))
        );
        assert_eq!(lines.lost(), None);
    }
}

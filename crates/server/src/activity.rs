//! What goes on on a connection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Those that share an [`Activity`] as long as its connection lives: its service, its stream, and whoever ends it.
const PARTS: usize = 3;

/// What goes on on a connection. Each call has a clone as well, until its answer is over: counting the clones costs calls
/// less than counting calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    has_spoken: AtomicBool,
    has_streams: AtomicBool,
    is_blocked: AtomicBool,
    leaves_body: AtomicBool,
}

impl Activity {
    /// Notes that the client said something.
    pub(crate) fn speaks(&self) {
        self.0.has_spoken.store(true, Relaxed);
    }

    /// Notes a call by HTTP/2: the last piece of its answer may wait for its window, which nobody here sees.
    pub(crate) fn streams(&self) {
        self.0.has_streams.store(true, Relaxed);
    }

    /// Says whether there were any.
    pub(crate) fn has_streams(&self) -> bool {
        self.0.has_streams.load(Relaxed)
    }

    /// Notes whether there is something for the client that it does not take.
    pub(crate) fn blocks(&self, is_blocked: bool) {
        self.0.is_blocked.store(is_blocked, Relaxed);
    }

    /// Notes that the body of a request is not read to its end: the connection ends with the answer.
    pub(crate) fn leaves_body(&self) {
        self.0.leaves_body.store(true, Relaxed);
    }

    /// Says whether that was so.
    pub(crate) fn has_left_body(&self) -> bool {
        self.0.leaves_body.load(Relaxed)
    }

    /// Forgets what the client said.
    pub(crate) fn listen(&self) {
        self.0.has_spoken.store(false, Relaxed);
    }

    /// Says whether the client said something since then.
    pub(crate) fn has_spoken(&self) -> bool {
        self.0.has_spoken.load(Relaxed)
    }

    /// Says whether a call runs, or the client has yet to take something.
    pub(crate) fn is_busy(&self) -> bool {
        Arc::strong_count(&self.0) > PARTS || self.0.is_blocked.load(Relaxed)
    }
}

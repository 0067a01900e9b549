//! What is told of panics.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

/// The panics of this process since [`log_panics`] was called.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Logs and counts the panics of this process, in place of the standard hook. That one prints what a panic says, which may
/// quote a prompt: slicing a text in the middle of a character does. This one says where it happened and on which thread,
/// with a backtrace if `RUST_BACKTRACE` asks for one.
///
/// For whoever owns the process, once logs are set up: there is one hook for all.
pub fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Relaxed);
        let backtrace = Backtrace::capture();
        let is_captured = backtrace.status() == BacktraceStatus::Captured;
        tracing::error!(
            target: "ziggurat::server",
            location = panic.location().map(tracing::field::display),
            thread = thread::current().name(),
            backtrace = is_captured.then(|| tracing::field::display(&backtrace)),
            "panicked"
        );
    }));
}

/// Returns how many panics there were.
pub(crate) fn count() -> u64 {
    PANICS.load(Relaxed)
}

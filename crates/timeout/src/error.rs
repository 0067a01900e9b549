//! The error of a call that took too long.

use std::{fmt, time::Duration};

/// A time limit has passed: the source of a [`Failure`](ziggurat_core::Failure) of the kind
/// [`Timeout`](ziggurat_core::FailureKind::Timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    after: Duration,
    elapsed: Duration,
}

impl Elapsed {
    pub(crate) const fn new(after: Duration, elapsed: Duration) -> Self {
        Self { after, elapsed }
    }

    /// Returns the limit that was in force.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }

    /// Returns the time that had passed when the limit was noticed: longer than the limit if no one looked in between.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limit of {} s has passed", self.after.as_secs_f64())
    }
}

impl std::error::Error for Elapsed {}

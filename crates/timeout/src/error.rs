//! The error of a call that took too long.

use std::{fmt, time::Duration};

/// A time limit has passed: the source of a [`Failure`](ziggurat_core::Failure) of the kind
/// [`Timeout`](ziggurat_core::FailureKind::Timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    after: Duration,
}

impl Elapsed {
    pub(crate) const fn new(after: Duration) -> Self {
        Self { after }
    }

    /// Returns the limit that was in force.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limit of {} s has passed", self.after.as_secs_f64())
    }
}

impl std::error::Error for Elapsed {}

//! The error of a stream that was silent too long.

use std::{fmt, time::Duration};

/// A time limit of a stream has passed: the source of a [`Failure`](ziggurat_core::Failure) of the kind
/// [`Timeout`](ziggurat_core::FailureKind::Timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    limit: Limit,
    after: Duration,
}

/// Which limit of a stream has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// From the start of the call to the first content.
    First,
    /// A silence after the first content.
    Idle,
    /// From the start of the call to the last byte.
    Total,
}

// === impl Elapsed ===

impl Elapsed {
    pub(crate) const fn new(limit: Limit, after: Duration) -> Self {
        Self { limit, after }
    }

    /// Says which limit it was.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// Returns how long the limit was.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after.as_secs_f64();
        match self.limit {
            Limit::First => write!(f, "no content came within {after} s"),
            Limit::Idle => write!(f, "nothing came for {after} s"),
            Limit::Total => write!(f, "the stream did not end within {after} s"),
        }
    }
}

impl std::error::Error for Elapsed {}

// === impl Limit ===

impl Limit {
    /// Returns a short lower-case name, fit for log fields and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Idle => "idle",
            Self::Total => "total",
        }
    }
}

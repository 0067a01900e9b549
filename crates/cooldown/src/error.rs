//! The error of a call that was refused.

use std::{fmt, time::Duration};

use http::StatusCode;

/// The deployment rests after failures: the source of a [`Failure`](ziggurat_core::Failure) of the kind
/// [`CoolingDown`](ziggurat_core::FailureKind::CoolingDown).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoolingDown {
    remaining: Option<Duration>,
    last_status: Option<StatusCode>,
}

impl CoolingDown {
    pub(crate) const fn new(remaining: Option<Duration>, last_status: Option<StatusCode>) -> Self {
        Self {
            remaining,
            last_status,
        }
    }

    /// Returns how long it still rests; `None` if the rest is over and its trial is running.
    #[must_use]
    pub const fn remaining(&self) -> Option<Duration> {
        self.remaining
    }

    /// Returns the status of the upstream's last answer, if the last failure was one.
    #[must_use]
    pub const fn last_status(&self) -> Option<StatusCode> {
        self.last_status
    }
}

impl fmt::Display for CoolingDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.remaining {
            Some(remaining) => write!(f, "it rests for another {} s", remaining.as_secs_f64()),
            None => f.write_str("another call tries whether it works again"),
        }
    }
}

impl std::error::Error for CoolingDown {}

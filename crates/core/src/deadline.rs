use std::time::Duration;

use tokio::time::Instant;

/// When the time of a whole request is over, all attempts and fallback hops included.
///
/// A request extension, put by the layer that watches it. Whoever would wait or begin another attempt reads it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
    by_request: bool,
}

impl Deadline {
    /// Begins now; `None` if the limit is zero, which means that there is none, or too long for the clock.
    #[must_use]
    pub fn start(limit: Duration) -> Option<Self> {
        if limit.is_zero() {
            return None;
        }
        let at = Instant::now().checked_add(limit)?;
        Some(Self {
            at,
            limit,
            by_request: false,
        })
    }

    /// Notes that the request itself asked for it, and not whoever runs the service.
    #[must_use]
    pub const fn with_by_request(mut self) -> Self {
        self.by_request = true;
        self
    }

    /// Says whether the request itself asked for it.
    #[must_use]
    pub const fn is_by_request(&self) -> bool {
        self.by_request
    }

    /// Returns the moment.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// Returns the time that the whole request was given.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns the time that is left.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Says whether something may begin after `wait` and still has time then.
    #[must_use]
    pub fn allows(&self, wait: Duration) -> bool {
        wait < self.remaining()
    }
}

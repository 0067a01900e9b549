use std::time::Duration;

use tokio::time::Instant;

/// How long someone was waited for, in several parts.
///
/// A reader that comes late takes part of the time of a call, for which whoever answers is not to blame: this sums up the
/// rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waited {
    sum: Duration,
    since: Option<Instant>,
}

impl Waited {
    /// Goes on after a wait of this length.
    #[must_use]
    pub const fn of(sum: Duration) -> Self {
        Self { sum, since: None }
    }

    /// Begins a part, if none runs; returns when it began.
    pub fn begin(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
    }

    /// Ends the part that runs, and returns its length.
    pub fn end(&mut self) -> Option<Duration> {
        let part = self.since.take()?.elapsed();
        self.sum = self.sum.saturating_add(part);
        Some(part)
    }

    /// Ends the part that runs without counting it: where no one asks for the sum, the clock need not be read.
    pub fn forget(&mut self) {
        self.since = None;
    }

    /// Returns the sum, with the part that runs.
    #[must_use]
    pub fn sum(&self) -> Duration {
        let part = self.since.map(|since| since.elapsed());
        self.sum.saturating_add(part.unwrap_or_default())
    }

    /// Says whether so much of `limit` was spent otherwise that reading took it: more than a tenth.
    ///
    /// Each reader takes a little, and clocks are not exact.
    #[must_use]
    pub fn falls_short_of(&self, limit: Duration) -> bool {
        self.sum() < limit - limit / 10
    }
}

use std::time::Duration;

/// How long the wall's times really take: those of operators, or the same made shorter.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    scale: f64,
    slack: Duration,
}

impl Pace {
    /// Everything as an operator would have it: a timeout of 30 s is one.
    #[must_use]
    pub fn full() -> Self {
        Self {
            scale: 1.0,
            slack: Duration::from_secs(5),
        }
    }

    /// Everything a twentieth of that, so that the timeout is 1.5 s: short, but longer than a busy machine stands still.
    #[must_use]
    pub fn brief() -> Self {
        Self {
            scale: 0.05,
            slack: Duration::from_millis(2500),
        }
    }

    /// Returns how long so many seconds of an operator take.
    #[must_use]
    pub fn of(self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.scale)
    }

    /// Returns by how much a time may be exceeded: what the machine needs, which does not scale.
    #[must_use]
    pub fn slack(self) -> Duration {
        self.slack
    }

    /// Returns a `Retry-After` in whole seconds, as no other can be said.
    #[must_use]
    pub fn whole_seconds(self, seconds: f64) -> Duration {
        Duration::from_secs_f64((seconds * self.scale).ceil())
    }
}

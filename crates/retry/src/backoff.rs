use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// OpenAI's and LiteLLM's first delay.
const INITIAL: Duration = Duration::from_millis(500);

/// OpenAI's and LiteLLM's longest delay.
const MAX: Duration = Duration::from_secs(8);

/// How long to wait before a deployment is asked again.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
    min: Duration,
    /// Shared by all clones, so that callers who fail together do not come back together.
    rng: Arc<Mutex<fastrand::Rng>>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: INITIAL,
            max: MAX,
            min: Duration::ZERO,
            rng: Arc::new(Mutex::new(fastrand::Rng::new())),
        }
    }
}

impl Backoff {
    pub(crate) fn set_range(&mut self, initial: Duration, max: Duration) {
        self.initial = initial;
        self.max = max;
    }

    pub(crate) fn set_min(&mut self, min: Duration) {
        self.min = min;
    }

    pub(crate) fn set_seed(&mut self, seed: u64) {
        self.rng = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    }

    /// Returns the wait before visit number `visit` (from 0) on deployments that did not ask for one.
    pub(crate) fn delay(&self, visit: u32) -> Duration {
        let ceiling = 1_u32
            .checked_shl(visit)
            .and_then(|factor| self.initial.checked_mul(factor))
            .map_or(self.max, |ceiling| ceiling.min(self.max));
        self.min + self.uniform(ceiling.saturating_sub(self.min))
    }

    /// Returns the wait for a deployment that asked for `wait`: all of it, and up to a tenth more, so that all who
    /// were told the same do not return at once.
    pub(crate) fn at_least(&self, wait: Duration) -> Duration {
        wait.saturating_add(self.uniform((wait / 10).min(self.initial)))
    }

    fn uniform(&self, ceiling: Duration) -> Duration {
        if ceiling.is_zero() {
            return ceiling;
        }
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        // Every draw is a single step: a panic elsewhere cannot leave half of one.
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_nanos(rng.u64(0..=nanos))
    }
}

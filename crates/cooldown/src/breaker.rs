use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use ziggurat_core::{
    Vitals,
    vitals::{Cooling, CoolingSnapshot},
};

use crate::{
    Rules,
    counts::{Counts, Sum},
};

/// At the beginning of a slow start, this share is let through; Envoy's `min_weight_percent`.
const FIRST_SHARE: f64 = 0.1;

/// The rules and the counts of one deployment.
///
/// A deployment that serves several groups has one breaker and a layer for each group, so that all calls count
/// together. Cloning counts a reference. The cooldown itself is kept in the [`Vitals`], and outlives the breaker; the
/// counts outlive it in those that are made [by other rules](Self::with_rules).
#[derive(Clone)]
pub struct Breaker {
    inner: Arc<Inner>,
}

struct Inner {
    vitals: Arc<Vitals>,
    rules: Rules,
    /// Held for single writes and sums.
    counts: Arc<Mutex<Counts>>,
    /// How many calls were let through during slow starts.
    draws: AtomicU64,
}

impl Breaker {
    /// Watches a deployment with these vital signs.
    #[must_use]
    pub fn new(vitals: Arc<Vitals>, rules: Rules) -> Self {
        let inner = Inner {
            counts: Arc::new(Mutex::new(Counts::new(&rules))),
            draws: AtomicU64::new(0),
            vitals,
            rules,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Watches the same deployment by other rules, beside this breaker: each counts what calls through the other come to.
    /// If the rules count within other windows, counting begins anew.
    #[must_use]
    pub fn with_rules(&self, rules: Rules) -> Self {
        let windows = |rules: &Rules| (rules.general_window(), rules.class_window());
        let counts = match windows(&rules) == windows(self.rules()) {
            true => Arc::clone(&self.inner.counts),
            false => Arc::new(Mutex::new(Counts::new(&rules))),
        };
        let inner = Inner {
            counts,
            draws: AtomicU64::new(self.inner.draws.load(Ordering::Relaxed)),
            vitals: Arc::clone(&self.inner.vitals),
            rules,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Returns the vital signs.
    #[must_use]
    pub fn vitals(&self) -> &Arc<Vitals> {
        &self.inner.vitals
    }

    /// Returns the state of the cooldown, for whoever looks after the deployment.
    #[must_use]
    pub fn snapshot(&self) -> CoolingSnapshot {
        self.cooling().snapshot()
    }

    /// Returns the calls that have ended, well or not, within the window; without the failures of classes that have an
    /// allowance of their own.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.sum().calls()
    }

    /// Returns those of the [`calls`](Self::calls) that have failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.sum().failures
    }

    pub(crate) fn cooling(&self) -> &Cooling {
        self.inner.vitals.cooling()
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        // Every write is a single step: a panic elsewhere cannot leave half of one.
        let counts = &self.inner.counts;
        counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call for the draws of a slow start.
    pub(crate) fn took(&self) {
        if !self.rules().slow_start.is_zero() {
            self.inner.draws.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Draws whether a request belongs to the share that a recovering deployment takes. It changes nothing: until a
    /// millisecond has passed or a call was made, the draw is the same.
    pub(crate) fn takes_share(&self) -> bool {
        let rules = self.rules();
        if rules.slow_start.is_zero() {
            return true;
        }
        let Some(recovered) = self.cooling().recovered() else {
            return true;
        };
        let elapsed = recovered.elapsed();
        let share = elapsed.div_duration_f64(rules.slow_start).max(FIRST_SHARE);
        if share >= 1.0 {
            return true;
        }
        // Time alone would let all requests of one moment through, and calls alone would stand still once it refuses.
        let calls = self.inner.draws.load(Ordering::Relaxed);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let mut draw = fastrand::Rng::with_seed(rules.seed.wrapping_add(millis));
        let mut draw = fastrand::Rng::with_seed(draw.u64(..).wrapping_add(calls));
        draw.f64() < share
    }

    fn sum(&self) -> Sum {
        self.counts().calls().sum()
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("vitals", &self.inner.vitals)
            .field("rules", &self.inner.rules)
            .field("calls", &self.calls())
            .field("failures", &self.failures())
            .finish()
    }
}

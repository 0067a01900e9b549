use std::{sync::Arc, time::Duration};

use tower::retry::budget::Budget;
use tower_layer::Layer;
use ziggurat_core::ByStatus;

use crate::{
    Retry, RetryPolicy,
    policy::{Policy, Shared},
};

/// Asks again when a call fails: see the [crate page](crate).
#[derive(Clone, Debug)]
pub struct RetryLayer<C = ByStatus> {
    policy: Policy<C>,
}

impl RetryLayer {
    /// Lets up to `max_retries` attempts follow the first, unless the request or the deployment has its own number.
    #[must_use]
    pub fn new(max_retries: u32) -> Self {
        Self {
            policy: Policy::new(max_retries),
        }
    }
}

impl<C> RetryLayer<C> {
    /// Tells failures by `classify` instead of [`ByStatus`].
    #[must_use]
    pub fn classify<D>(self, classify: D) -> RetryLayer<D> {
        RetryLayer {
            policy: self.policy.with_classify(classify),
        }
    }

    /// Sets numbers of retries by class of failure, in place of all others but a 0 that the request itself asks for.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy.by_class = policy;
        self
    }

    /// Goes on, once the retries are used up, as long as there is a deployment that was not tried yet and would take
    /// the request (LiteLLM's `enable_weighted_failover`). Default: false.
    ///
    /// The number of retries then only bounds how often deployments are asked again. All other limits hold.
    #[must_use]
    pub fn exhaust_untried(mut self, exhaust: bool) -> Self {
        self.policy.exhaust_untried = exhaust;
        self
    }

    /// Makes no retry while `budget` has nothing left: a first attempt that succeeds pays in, every further attempt is
    /// paid from it, waited for or not.
    ///
    /// All layers that are given the same one share it. tower's
    /// [`TpsBudget`](tower::retry::budget::TpsBudget) allows a share of the calls to be retries. Default: none.
    #[must_use]
    pub fn budget(mut self, budget: Arc<dyn Budget + Send + Sync>) -> Self {
        self.policy.budget = Some(Shared(budget));
        self
    }

    /// Sets the backoff before a deployment is asked again: a random time up to `initial`, then up to twice that, and
    /// so on up to `max`.
    ///
    /// The default is 0.5 s up to 8 s. With an `initial` or `max` of zero there is no backoff.
    #[must_use]
    pub fn backoff(mut self, initial: Duration, max: Duration) -> Self {
        self.policy.backoff.set_range(initial, max);
        self
    }

    /// Makes each backoff at least this long, even if that is longer than the longest (LiteLLM's `retry_after`).
    ///
    /// The default is zero.
    #[must_use]
    pub fn min_delay(mut self, min_delay: Duration) -> Self {
        self.policy.backoff.set_min(min_delay);
        self
    }

    /// Sets the longest wait that a deployment may ask for with `Retry-After`; the default is 60 s, as in LiteLLM.
    ///
    /// If it asks for more, it is not asked again: its failure is returned, unless others are left to ask. With zero nobody
    /// is who asks for a wait.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.policy.max_wait = max_wait;
        self
    }

    /// Makes no retry once the whole request, over all groups, has had this many attempts.
    ///
    /// There is no such limit by default. The first attempt on each group is always made.
    #[must_use]
    pub fn max_attempts_per_request(mut self, max_attempts: usize) -> Self {
        self.policy.max_attempts_per_request = Some(max_attempts);
        self
    }

    /// Draws the random part of all waits from a generator that starts with `seed`, so that they can be foretold.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.policy.backoff.set_seed(seed);
        self
    }
}

impl<S, C: Clone> Layer<S> for RetryLayer<C> {
    type Service = Retry<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::new(self.policy.clone()))
    }
}

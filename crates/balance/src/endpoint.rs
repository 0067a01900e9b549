use std::sync::Arc;

use ziggurat_core::{
    DeploymentId, Vitals,
    vitals::{Exhausted, Limits},
};

use crate::TARGET;

/// One service to choose, and what is declared about it.
///
/// The numbers are finite and not negative. Any other number counts as not declared, and a warning is logged.
#[derive(Clone, Debug)]
pub struct Endpoint<S> {
    declared: Arc<Declared>,
    service: S,
}

/// What is declared about an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) id: DeploymentId,
    pub(crate) weight: Option<f64>,
    pub(crate) rpm: Option<f64>,
    pub(crate) tpm: Option<f64>,
    pub(crate) order: Option<f64>,
    pub(crate) cost: Option<(f64, f64)>,
    pub(crate) max_parallel_requests: Option<u32>,
    pub(crate) tags: Arc<[Box<str>]>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) origin: Option<Arc<str>>,
    pub(crate) max_retries: Option<u32>,
}

// === impl Endpoint ===

impl<S> Endpoint<S> {
    /// Names a service.
    ///
    /// Attempts are told apart by the name: give each endpoint its own.
    pub fn new(id: impl Into<DeploymentId>, service: S) -> Self {
        Self {
            declared: Arc::new(Declared {
                id: id.into(),
                weight: None,
                rpm: None,
                tpm: None,
                order: None,
                cost: None,
                max_parallel_requests: None,
                tags: Arc::default(),
                vitals: Arc::default(),
                origin: None,
                max_retries: None,
            }),
            service,
        }
    }

    /// Declares a weight, relative to the other endpoints' weights.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.declare().weight = self.declared.number("weight", weight);
        self
    }

    /// Sets where its load is counted. The default is a place of its own.
    ///
    /// Endpoints of one deployment share it, and a new balance goes on with the counts of the old one, if they are
    /// given the same: that of its id on a [`Board`](ziggurat_core::Board).
    #[must_use]
    pub fn vitals(mut self, vitals: Arc<Vitals>) -> Self {
        self.declare().vitals = vitals;
        self
    }

    /// Declares when it has its turn: of those not tried yet, the ones with the lowest order are chosen from. Without
    /// an order it comes after all that have one.
    #[must_use]
    pub fn order(mut self, order: f64) -> Self {
        self.declare().order = self.declared.number("order", order);
        self
    }

    /// Declares what a token of the prompt and one of the answer cost.
    #[must_use]
    pub fn cost(mut self, input_per_token: f64, output_per_token: f64) -> Self {
        let input = self.declared.number("input cost", input_per_token);
        self.declare().cost = input.zip(self.declared.number("output cost", output_per_token));
        self
    }

    /// Allows at most so many calls at a time in this process; 0 stands for no such limit.
    #[must_use]
    pub fn max_parallel_requests(mut self, calls: u32) -> Self {
        self.declare().max_parallel_requests = (calls > 0).then_some(calls);
        self
    }

    /// Declares tags, among which requests choose if [tag filtering](crate::Balance::tag_filtering) is on. The tag
    /// `default` stands for requests whose tags nobody has.
    #[must_use]
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.declare().tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Declares the requests per minute that the deployment is good for: a weight for [`Shuffle`](crate::Shuffle), and
    /// a limit unless it is 0.
    #[must_use]
    pub fn rpm(mut self, rpm: f64) -> Self {
        self.declare().rpm = self.declared.number("rpm", rpm);
        self
    }

    /// Declares the tokens per minute that the deployment is good for, of prompts and answers together: a weight for
    /// [`Shuffle`](crate::Shuffle), and a limit unless it is 0.
    #[must_use]
    pub fn tpm(mut self, tpm: f64) -> Self {
        self.declare().tpm = self.declared.number("tpm", tpm);
        self
    }

    /// Declares where the deployment lives: those of one origin share their limits.
    ///
    /// When one of them asks for a wait, a request that was refused there goes to another origin first.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<Arc<str>>) -> Self {
        self.declare().origin = Some(origin.into());
        self
    }

    /// Declares the deployment's own number of retries, which is written into the attempt for the retry layer.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.declare().max_retries = Some(retries);
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn id(&self) -> &DeploymentId {
        &self.declared.id
    }

    /// Returns the service.
    pub fn get_ref(&self) -> &S {
        &self.service
    }

    /// Returns the service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.service
    }

    /// Unwraps the service.
    pub fn into_inner(self) -> S {
        self.service
    }

    pub(crate) fn declared(&self) -> &Arc<Declared> {
        &self.declared
    }

    fn declare(&mut self) -> &mut Declared {
        Arc::make_mut(&mut self.declared)
    }
}

// === impl Declared ===

impl Declared {
    fn number(&self, name: &'static str, value: f64) -> Option<f64> {
        let valid = value.is_finite() && value >= 0.0;
        if !valid {
            tracing::warn!(
                target: TARGET,
                deployment = %self.id,
                name,
                value,
                "number out of range, taken as not declared"
            );
        }
        valid.then_some(value)
    }

    /// Returns the order as a number to compare by: those without one come last.
    pub(crate) fn level(&self) -> f64 {
        self.order.unwrap_or(f64::INFINITY)
    }

    /// Returns what it is good for in one minute, if anything is declared.
    pub(crate) fn limits(&self) -> Option<Limits> {
        // 0 is a weight and no limit, as in LiteLLM. A fraction of a request is one.
        let whole = |limit: f64| (limit > 0.0).then(|| limit.max(1.0) as u64);
        let limits = Limits::new(self.rpm.and_then(whole), self.tpm.and_then(whole));
        (limits != Limits::default()).then_some(limits)
    }

    /// Says whether its minute has room for one more request.
    pub(crate) fn has_room(&self, tokens: impl Fn() -> u64) -> Result<(), Exhausted> {
        match self.limits() {
            Some(limits) => {
                let tokens = limits.tokens.map_or(0, |_| tokens());
                self.vitals.load().has_room(limits, tokens)
            }
            None => Ok(()),
        }
    }

    /// Says whether two deployments share their limits.
    pub(crate) fn shares_origin(&self, other: &Self) -> bool {
        self.origin.is_some() && self.origin == other.origin
    }
}

use std::sync::Arc;

use ziggurat_core::{DeploymentId, Vitals};

use crate::{Pool, endpoint::Declared};

/// A policy: which of several equally good endpoints a request goes to.
///
/// It is asked for one candidate at a time. If the chosen one is not ready, the policy is asked again with the others.
/// Whatever it remembers is its own: a balance and all its clones share one policy through clones of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no policy for a `Balance`",
    label = "does not implement `Pick`",
    note = "implement `Pick::pick`, or take a ready-made policy such as `ziggurat_balance::Shuffle`"
)]
pub trait Pick {
    /// Returns the place of the chosen one in `candidates`, which holds two or more in the order of the endpoints.
    ///
    /// A place beyond the end stands for the first candidate, and a warning is logged.
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize;

    /// Picks among all endpoints before any was asked whether it takes the request. The one returned is asked alone
    /// then; if it does not, all are asked, and [`pick`](Self::pick) chooses among those that do.
    ///
    /// This is cheaper the more endpoints there are. It is the same choice only if the policy chooses among some of
    /// them as it does among all, given that one of the some is chosen. The default, `None`, is to ask all at once.
    fn guess(&self, all: &Pool) -> Option<usize> {
        let _ = all;
        None
    }

    /// Draws two places among so many endpoints, for a policy that compares no more: those are asked alone then. If both
    /// take the request, [`pick`](Self::pick) chooses between them; else all are asked, and it chooses among those that
    /// do.
    ///
    /// It is the same choice if the two are drawn as [`pick`](Self::pick) draws them. `count` is two or more, and the
    /// places have to be different ones below it. The default, `None`, leaves it to [`guess`](Self::guess).
    fn draw_two(&self, count: usize) -> Option<[usize; 2]> {
        let _ = count;
        None
    }

    /// Hears of all endpoints, once, when a balance is built. The default does nothing.
    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        let _ = endpoints;
    }

    /// Says what has to be measured for it; asked once, when a balance is built. The default is nothing.
    fn needs(&self) -> Needs {
        Needs::default()
    }
}

/// What has to be measured for a policy. Calls in flight always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// Requests and tokens of the minute.
    pub tokens: bool,
    /// Latencies.
    pub latency: bool,
}

impl Needs {
    /// Adds requests and tokens.
    #[must_use]
    pub const fn tokens(mut self) -> Self {
        self.tokens = true;
        self
    }

    /// Adds latencies.
    #[must_use]
    pub const fn latency(mut self) -> Self {
        self.latency = true;
        self
    }
}

impl<P: Pick + ?Sized> Pick for &P {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        (**self).pick(candidates)
    }

    fn guess(&self, all: &Pool) -> Option<usize> {
        (**self).guess(all)
    }

    fn draw_two(&self, count: usize) -> Option<[usize; 2]> {
        (**self).draw_two(count)
    }

    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        (**self).prepare(endpoints);
    }

    fn needs(&self) -> Needs {
        (**self).needs()
    }
}

impl<P: Pick + ?Sized> Pick for Arc<P> {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        (**self).pick(candidates)
    }

    fn guess(&self, all: &Pool) -> Option<usize> {
        (**self).guess(all)
    }

    fn draw_two(&self, count: usize) -> Option<[usize; 2]> {
        (**self).draw_two(count)
    }

    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        (**self).prepare(endpoints);
    }

    fn needs(&self) -> Needs {
        (**self).needs()
    }
}

/// An endpoint that a [`Pick`] may choose.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    // As a pair of 32 bits: many candidates lie on the stack.
    index: u32,
    stream: bool,
    declared: &'a Declared,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(index: usize, declared: &'a Declared, stream: bool) -> Self {
        let index = u32::try_from(index).expect("fewer than 2^32 endpoints fit into memory");
        Self {
            index,
            stream,
            declared,
        }
    }

    /// Returns its place among all endpoints of the balance, which never changes.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index as usize
    }

    /// Returns its name.
    #[must_use]
    pub fn id(&self) -> &'a DeploymentId {
        &self.declared.id
    }

    /// Returns its weight, if declared: finite, not negative.
    #[must_use]
    pub fn weight(&self) -> Option<f64> {
        self.declared.weight
    }

    /// Returns its requests per minute, if declared: finite, not negative.
    #[must_use]
    pub fn rpm(&self) -> Option<f64> {
        self.declared.rpm
    }

    /// Returns its tokens per minute, if declared: finite, not negative.
    #[must_use]
    pub fn tpm(&self) -> Option<f64> {
        self.declared.tpm
    }

    /// Returns its order, if declared: finite, not negative. All candidates of one choice have the same.
    #[must_use]
    pub fn order(&self) -> Option<f64> {
        self.declared.order
    }

    /// Returns the price of a token of the prompt and of one of the answer, if declared.
    #[must_use]
    pub fn cost(&self) -> Option<(f64, f64)> {
        self.declared.cost
    }

    /// Returns the largest number of calls in flight, if declared.
    #[must_use]
    pub fn max_parallel_requests(&self) -> Option<u32> {
        self.declared.max_parallel_requests
    }

    /// Returns its tags.
    pub fn tags(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.declared.tags.iter().map(|tag| &**tag)
    }

    /// Returns what is known of its load. What the policy does not [need](Pick::needs) may not be measured.
    #[must_use]
    pub fn vitals(&self) -> &'a Vitals {
        &self.declared.vitals
    }

    /// Says whether the request wants a stream, as far as its [`LlmRequest`](ziggurat_core::LlmRequest) tells.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.stream
    }

    pub(crate) fn declared(&self) -> &'a Declared {
        self.declared
    }
}

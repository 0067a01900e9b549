use std::sync::Arc;

use ziggurat_core::DeploymentId;

use crate::endpoint::Declared;

/// A policy: which of several equally good endpoints a request goes to.
///
/// It is asked for one candidate at a time. If the chosen one is not ready, the policy is asked again with the others.
/// Whatever it remembers is its own: a balance and all its clones share one policy through clones of it.
pub trait Pick {
    /// Returns the place of the chosen one in `candidates`, which holds two or more in the order of the endpoints.
    ///
    /// A place beyond the end stands for the first candidate, and a warning is logged.
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize;

    /// Hears of all endpoints, once, when a balance is built. The default does nothing.
    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        let _ = endpoints;
    }
}

impl<P: Pick + ?Sized> Pick for &P {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        (**self).pick(candidates)
    }

    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        (**self).prepare(endpoints);
    }
}

impl<P: Pick + ?Sized> Pick for Arc<P> {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        (**self).pick(candidates)
    }

    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        (**self).prepare(endpoints);
    }
}

/// An endpoint that a [`Pick`] may choose.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    index: usize,
    declared: &'a Declared,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(index: usize, declared: &'a Declared) -> Self {
        Self { index, declared }
    }

    /// Returns its place among all endpoints of the balance, which never changes.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
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

    pub(crate) fn declared(&self) -> &'a Declared {
        self.declared
    }
}

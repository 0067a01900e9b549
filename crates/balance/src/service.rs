use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, ByStatus, Classify, Failure, Rejection};

use crate::{Candidate, Endpoint, Pick, Shuffle, future::ResponseFuture, refusal::Refusal};

/// Picks one of several endpoints for each request.
///
/// It is always ready: the chosen endpoint is made ready by the future of the call. Cloning counts references. See the
/// [crate page](crate) for the order in which endpoints are chosen.
pub struct Balance<S, P = Shuffle, C = ByStatus> {
    endpoints: Arc<[Endpoint<S>]>,
    policy: P,
    classify: C,
}

impl<S> Balance<S> {
    /// Picks by [`Shuffle`], from a random seed.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint<S>>) -> Self {
        Self::with_policy(endpoints, Shuffle::new())
    }
}

impl<S, P: Pick> Balance<S, P> {
    /// Picks by a policy.
    pub fn with_policy(endpoints: impl IntoIterator<Item = Endpoint<S>>, policy: P) -> Self {
        let endpoints: Arc<[Endpoint<S>]> = endpoints.into_iter().collect();
        let candidates: Vec<_> = candidates(&endpoints).collect();
        policy.prepare(&candidates);
        Self {
            endpoints,
            policy,
            classify: ByStatus,
        }
    }
}

impl<S, P, C> Balance<S, P, C> {
    /// Sets what tells a failed answer from a good one in the ledger of attempts. The default is [`ByStatus`].
    #[must_use]
    pub fn classify<D: Classify>(self, classify: D) -> Balance<S, P, D> {
        Balance {
            endpoints: self.endpoints,
            policy: self.policy,
            classify,
        }
    }

    /// Returns the endpoints.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint<S>] {
        &self.endpoints
    }

    pub(crate) fn policy(&self) -> &P {
        &self.policy
    }

    pub(crate) fn classifier(&self) -> &C {
        &self.classify
    }
}

fn candidates<S>(endpoints: &[Endpoint<S>]) -> impl Iterator<Item = Candidate<'_>> {
    endpoints
        .iter()
        .enumerate()
        .map(|(index, endpoint)| Candidate::new(index, endpoint.declared()))
}

impl<S, B, R, P, C> Service<Request<B>> for Balance<S, P, C>
where
    S: Service<Request<B>, Response = Response<R>> + Admit<Request<B>> + Clone,
    S::Error: Into<BoxError>,
    P: Pick + Clone,
    C: Classify + Clone,
{
    type Response = Response<R>;
    type Error = Failure;
    type Future = ResponseFuture<S, B, P, C>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.clone(), request)
    }
}

/// Admits what any endpoint admits.
impl<S, B, P, C> Admit<Request<B>> for Balance<S, P, C>
where
    S: Admit<Request<B>>,
{
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        let mut refusal = Refusal::default();
        for endpoint in self.endpoints() {
            match endpoint.get_ref().admit(request) {
                Ok(()) => return Ok(()),
                Err(rejection) => refusal.add(&rejection),
            }
        }
        Err(refusal.into())
    }
}

impl<S, P: Clone, C: Clone> Clone for Balance<S, P, C> {
    fn clone(&self) -> Self {
        Self {
            endpoints: self.endpoints.clone(),
            policy: self.policy.clone(),
            classify: self.classify.clone(),
        }
    }
}

impl<S, P: fmt::Debug, C: fmt::Debug> fmt::Debug for Balance<S, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<_> = candidates(&self.endpoints).collect();
        f.debug_struct("Balance")
            .field("endpoints", &endpoints)
            .field("policy", &self.policy)
            .field("classify", &self.classify)
            .finish()
    }
}

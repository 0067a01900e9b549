use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;
use ziggurat_core::{BoxError, ByStatus, Classify, Failure, overrides::MockFailure};

use crate::{
    asking::{Hops, State},
    body::ResponseBody,
    future::ResponseFuture,
    policy::Policy,
    recovery::{self, StreamRecovery},
    walk::Walk,
};

/// Asks other model groups after a failure. See the [crate page](crate).
#[derive(Clone, Debug)]
pub struct Fallback<S, C = ByStatus> {
    inner: S,
    policy: Arc<Policy>,
    classify: C,
}

impl<S, C> Fallback<S, C> {
    pub(crate) fn new(inner: S, policy: Arc<Policy>, classify: C) -> Self {
        Self {
            inner,
            policy,
            classify,
        }
    }

    /// Returns the wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the wrapped service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, B, R> Service<Request<B>> for Fallback<S, C>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    C: Classify + Clone,
    B: Clone,
{
    type Response = Response<ResponseBody<S, B, R, C>>;
    type Error = Failure;
    type Future = ResponseFuture<S, B, R, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mock = request.extensions_mut().remove::<MockFailure>();
        let mock = mock.map(|MockFailure(kind)| Failure::new(kind).with_message("a mock failure"));
        let recovery = match self.policy.stream_recovery {
            StreamRecovery::Off => StreamRecovery::Off,
            wanted if recovery::is_wanted(request.extensions()) => wanted,
            _ => StreamRecovery::Off,
        };
        let Some(walk) = Walk::begin(&self.policy, request.extensions_mut(), recovery) else {
            return match mock {
                Some(failure) => ResponseFuture::failed(failure),
                None => ResponseFuture::direct(self.inner.call(request)),
            };
        };
        let walk = Arc::new(walk);
        let spare = request.clone();
        if let Some(ahead) = walk.ahead() {
            request.extensions_mut().insert(ahead);
        }
        let fresh = self.inner.clone();
        let mut service = mem::replace(&mut self.inner, fresh);
        let first = match mock {
            Some(failure) => State::Failed { failure },
            None => State::Calling {
                future: service.call(request),
            },
        };
        let hops = Hops::new(service, spare, walk, self.classify.clone());
        ResponseFuture::chained(first, Box::new(hops), recovery)
    }
}

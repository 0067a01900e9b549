use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;
use ziggurat_core::{Admit, BoxError, ByStatus, Classify, Failure, Rejection};

use crate::{
    future::{Again, ResponseFuture},
    policy::Policy,
    progress::Progress,
};

/// Asks again when a call fails: see the [crate page](crate).
#[derive(Debug)]
pub struct Retry<S, C = ByStatus> {
    inner: S,
    policy: Arc<Policy<C>>,
}

// === impl Retry ===

impl<S, C> Retry<S, C> {
    pub(crate) fn new(inner: S, policy: Arc<Policy<C>>) -> Self {
        Self { inner, policy }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, C> Clone for Retry<S, C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            policy: Arc::clone(&self.policy),
        }
    }
}

impl<S, C, B, R> Service<http::Request<B>> for Retry<S, C>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Clone,
    C: Classify,
{
    type Response = S::Response;
    type Error = Failure;
    type Future = ResponseFuture<S, B, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, mut req: http::Request<B>) -> Self::Future {
        let progress = Progress::start(&req);
        if !progress.may_follow(&self.policy) {
            progress.mark(&mut req);
            let future = self.inner.call(req);
            return ResponseFuture::new(Arc::clone(&self.policy), progress, None, future);
        }
        // The instance that was made ready takes the call and moves into the future for those to come.
        let fresh = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, fresh);
        // Kept without the ledger: most requests are sent once, and a map of extensions is dear to copy.
        let request = req.clone();
        progress.mark(&mut req);
        let future = ready.call(req);
        let again = Box::new(Again::new(ready, request));
        ResponseFuture::new(Arc::clone(&self.policy), progress, Some(again), future)
    }
}

impl<Req, S: Admit<Req>, C> Admit<Req> for Retry<S, C> {
    fn admit(&self, req: &Req) -> Result<(), Rejection> {
        self.inner.admit(req)
    }
}

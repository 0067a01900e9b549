use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, Failure, Rejection};

use crate::{
    future::ResponseFuture,
    rules::{self, Rules},
};

/// Refuses requests that must not be served in this region: see the [crate page](crate).
#[derive(Clone, Debug)]
pub struct RegionFilter<S> {
    inner: S,
    rules: Arc<Rules>,
}

// === impl RegionFilter ===

impl<S> RegionFilter<S> {
    pub(crate) const fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }

    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for RegionFilter<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = Failure;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Err(error) = self.rules.check(&request) {
            return ResponseFuture::refused(rules::failure(&request, error));
        }
        let learns = self.rules.learned().map(|learned| {
            let deployment = request.extensions().get().cloned();
            (Arc::clone(learned), deployment)
        });
        ResponseFuture::calling(self.inner.call(request), learns)
    }
}

impl<B, S: Admit<Request<B>>> Admit<Request<B>> for RegionFilter<S> {
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        match self.rules.check(request) {
            Ok(()) => self.inner.admit(request),
            Err(error) => Err(rules::rejection(request, &error)),
        }
    }
}

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, Failure, Rejection};

use crate::{ObserveLayer, ResponseBody, future::ResponseFuture, watch::Watch};

/// Tells an observer how calls ended: see the [crate page](crate).
#[derive(Clone, Debug)]
pub struct Observe<S> {
    inner: S,
    layer: ObserveLayer,
}

// === impl Observe ===

impl<S> Observe<S> {
    pub(crate) const fn new(inner: S, layer: ObserveLayer) -> Self {
        Self { inner, layer }
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

impl<S, B, R> Service<Request<B>> for Observe<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Failure;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let watch = Watch::begin(&self.layer, &mut request);
        ResponseFuture::new(self.inner.call(request), watch)
    }
}

impl<B, S: Admit<Request<B>>> Admit<Request<B>> for Observe<S> {
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        self.inner.admit(request)
    }
}

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, DeploymentId, Failure, Rejection};

use crate::{ResponseBody, future::ResponseFuture, limits::Limits, timer::Timer};

/// Limits the time of each call: see the [crate page](crate).
#[derive(Clone, Copy, Debug)]
pub struct Timeout<S> {
    inner: S,
    limits: Limits,
}

// === impl Timeout ===

impl<S> Timeout<S> {
    pub(crate) const fn new(inner: S, limits: Limits) -> Self {
        Self { inner, limits }
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

impl<S, B, R> Service<Request<B>> for Timeout<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Failure;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let deadlines = self.limits.start(&request);
        let deployment = request.extensions().get::<DeploymentId>().cloned();
        let timer = Timer::new(deadlines.head, deployment);
        ResponseFuture::new(self.inner.call(request), deadlines, timer)
    }
}

impl<Req, S: Admit<Req>> Admit<Req> for Timeout<S> {
    fn admit(&self, req: &Req) -> Result<(), Rejection> {
        self.inner.admit(req)
    }
}

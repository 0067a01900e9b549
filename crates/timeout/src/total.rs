use std::{
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, Failure, Rejection};

use crate::{ResponseBody, future::ResponseFuture, limits, timer::Timer};

/// Limits the time of a whole request, over all attempts and hops: see the [crate page](crate#the-whole-request).
#[derive(Clone, Copy, Debug)]
pub struct TotalTimeoutLayer {
    limit: Duration,
}

/// Limits the time of a whole request, over all attempts and hops: see the [crate page](crate#the-whole-request).
#[derive(Clone, Copy, Debug)]
pub struct TotalTimeout<S> {
    inner: S,
    limit: Duration,
}

// === impl TotalTimeoutLayer ===

impl TotalTimeoutLayer {
    /// Limits each request, from its start to the last byte of its response, streams included.
    ///
    /// With zero there is only what requests themselves ask for. They may ask for less than `limit`, not for more.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for TotalTimeoutLayer {
    type Service = TotalTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TotalTimeout {
            inner,
            limit: self.limit,
        }
    }
}

// === impl TotalTimeout ===

impl<S> TotalTimeout<S> {
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

impl<S, B, R> Service<Request<B>> for TotalTimeout<S>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let deadlines = limits::start_total(self.limit, &mut request);
        // No deployment is to blame for what all attempts together took.
        let timer = Timer::new(deadlines.head, None);
        ResponseFuture::new(self.inner.call(request), deadlines, timer)
    }
}

impl<Req, S: Admit<Req>> Admit<Req> for TotalTimeout<S> {
    fn admit(&self, req: &Req) -> Result<(), Rejection> {
        self.inner.admit(req)
    }
}

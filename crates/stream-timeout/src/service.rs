use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, Failure, Rejection};

use crate::{
    ResponseBody,
    detect::{ByContentType, Detect},
    future::ResponseFuture,
    limits::{Limits, wants_stream},
};

/// Limits the silences of streams, and holds their responses until the first content: see the [crate page](crate).
#[derive(Clone, Copy, Debug)]
pub struct StreamTimeout<S, D = ByContentType> {
    inner: S,
    limits: Limits,
    detect: D,
}

// === impl StreamTimeout ===

impl<S, D> StreamTimeout<S, D> {
    pub(crate) const fn new(inner: S, limits: Limits, detect: D) -> Self {
        Self {
            inner,
            limits,
            detect,
        }
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

impl<S, D, B, R> Service<Request<B>> for StreamTimeout<S, D>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    D: Detect + Clone,
    R: Body + Unpin,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Failure;
    type Future = ResponseFuture<S::Future, R, D>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let wanted = wants_stream(&request);
        let clock = self.limits.start(&request);
        let call = self.inner.call(request);
        ResponseFuture::new(call, wanted, self.limits.commit, clock, self.detect.clone())
    }
}

impl<Req, S: Admit<Req>, D> Admit<Req> for StreamTimeout<S, D> {
    fn admit(&self, req: &Req) -> Result<(), Rejection> {
        self.inner.admit(req)
    }
}

//! Sends the head of a stream before there is an answer, so that a client which waits for one gets signs of life.

mod body;
mod future;
mod pace;

use std::{
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_core::{AskedKeepAlive, BoxError, Failure, LlmRequest, Operation, overrides};

pub use self::{body::ResponseBody, future::ResponseFuture};
use self::{future::Held, pace::Pace};

/// Sends the head of a stream before there is an answer. See the [crate page](crate#before-there-is-an-answer).
#[derive(Clone, Copy, Debug, Default)]
pub struct EarlyHeadLayer {
    every: Option<Duration>,
    hears_deployments: bool,
}

impl EarlyHeadLayer {
    /// Sends no head early, but for requests that ask for it: those with an [`overrides::KeepAlive`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends the head of every stream that has not been answered for so long. Off by default; zero is off.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        self.every = (!every.is_zero()).then_some(every);
        self
    }

    /// Listens to deployments that have an interval of their own, which goes before the layer's: see [`AskedKeepAlive`]. Off
    /// by default, for it costs every stream a handle.
    #[must_use]
    pub fn hear_deployments(mut self, hear: bool) -> Self {
        self.hears_deployments = hear;
        self
    }
}

impl<S> Layer<S> for EarlyHeadLayer {
    type Service = EarlyHead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EarlyHead {
            inner,
            layer: *self,
        }
    }
}

/// Sends the head of a stream before there is an answer. See the [crate page](crate#before-there-is-an-answer).
#[derive(Clone, Copy, Debug)]
pub struct EarlyHead<S> {
    inner: S,
    layer: EarlyHeadLayer,
}

// === impl EarlyHead ===

impl<S> EarlyHead<S> {
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

    /// Returns when the head of the response to a request is due; `None` if never before an answer.
    fn pace<B>(&self, request: &mut Request<B>) -> Option<Pace> {
        let extensions = request.extensions_mut();
        let wish = extensions.get().map(|&overrides::KeepAlive(every)| every);
        if wish.or(self.layer.every).is_none() && !self.layer.hears_deployments {
            return None;
        }
        let streams = extensions.get().is_some_and(LlmRequest::stream)
            && Operation::of(extensions).has_streams();
        if !streams {
            return None;
        }
        let asked = (wish.is_none() && self.layer.hears_deployments)
            .then(|| AskedKeepAlive::clone(extensions.get_or_insert_default()));
        Some(Pace::new(wish, asked, self.layer.every))
    }
}

impl<S, B, R> Service<Request<B>> for EarlyHead<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<S::Future, R>>;
    type Error = Failure;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.pace(&mut request) {
            None => ResponseFuture::direct(self.inner.call(request)),
            Some(pace) => ResponseFuture::held(Held::new(self.inner.call(request), pace)),
        }
    }
}

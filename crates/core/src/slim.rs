//! A service whose futures and bodies are a pointer wide.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::{Admit, Rejection};
use http::{Request, Response};
use tower_service::Service;

/// Boxes the futures and the response bodies of a service, without a change of its own type as [`BoxService`] makes.
///
/// A few layers make a future of kilobytes and a body of hundreds of bytes, and each layer around them moves both several
/// times; of boxed ones it moves a pointer. Each call costs two allocations. Dropping the future drops the one in the box.
///
/// [`BoxService`]: crate::BoxService
#[derive(Clone, Debug)]
pub struct Slim<S> {
    inner: S,
}

impl<S> Slim<S> {
    /// Boxes what this service makes.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for Slim<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<Pin<Box<R>>>;
    type Error = S::Error;
    type Future = SlimFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        SlimFuture(Box::pin(self.inner.call(request)))
    }
}

impl<S: Admit<Request<B>>, B> Admit<Request<B>> for Slim<S> {
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        self.inner.admit(request)
    }
}

/// The future of a [`Slim`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct SlimFuture<F>(Pin<Box<F>>);

impl<F, R, E> Future for SlimFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<Pin<Box<R>>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.0.as_mut().poll(cx));
        Poll::Ready(result.map(|response| response.map(Box::pin)))
    }
}

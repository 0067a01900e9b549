//! Makes failures of panics, so that someone is told.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_core::{BoxError, Failure, FailureKind};

/// Makes failures of panics. See the [crate page](crate#panics).
#[derive(Clone, Copy, Debug, Default)]
pub struct CatchPanicLayer;

/// Makes failures of panics. See the [crate page](crate#panics).
#[derive(Clone, Copy, Debug)]
pub struct CatchPanic<S> {
    inner: S,
}

pin_project! {
    /// The future of [`CatchPanic`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // `None` after a panic.
        #[pin]
        inner: Option<F>,
    }
}

pin_project! {
    /// The body of a response of [`CatchPanic`]: the inner one, which breaks if it panics. It is `Unpin` if the inner body is.
    pub struct ResponseBody<R> {
        // `None` after a panic.
        #[pin]
        inner: Option<R>,
    }
}

/// Runs what may panic. Whatever that leaves half done is dropped by those who call this, and never used again.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        // What a panic says may quote a request.
        tracing::error!(target: "ziggurat::catch_panic", "a request panicked");
        Failure::new(FailureKind::Panicked)
    })
}

/// Drops what has panicked. Destructors may do so again, but the first failure is enough to tell.
fn forget<T>(mut place: Pin<&mut Option<T>>) {
    let _ = caught(|| place.set(None));
}

// === impl CatchPanicLayer ===

impl CatchPanicLayer {
    /// Catches all panics.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic { inner }
    }
}

// === impl CatchPanic ===

impl<S> CatchPanic<S> {
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

impl<S, B, R> Service<Request<B>> for CatchPanic<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Failure;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        match caught(|| self.inner.poll_ready(cx)) {
            Ok(ready) => ready.map_err(Failure::wrap),
            Err(failure) => Poll::Ready(Err(failure)),
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture {
            inner: caught(|| self.inner.call(request)).ok(),
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.project().inner;
        let Some(future) = inner.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(Failure::new(FailureKind::Panicked)));
        };
        let result = match caught(|| future.poll(cx)) {
            Ok(result) => ready!(result).map_err(Failure::wrap),
            Err(failure) => {
                forget(inner);
                Err(failure)
            }
        };
        Poll::Ready(result.map(|response| response.map(|body| ResponseBody { inner: Some(body) })))
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body,
    R::Error: Into<BoxError>,
{
    type Data = R::Data;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, Failure>>> {
        let mut inner = self.project().inner;
        let Some(body) = inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        match caught(|| body.poll_frame(cx)) {
            Ok(frame) => frame.map(|frame| frame.map(|frame| frame.map_err(Failure::wrap))),
            Err(failure) => {
                forget(inner);
                Poll::Ready(Some(Err(failure)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("catch_panic::ResponseFuture")
            .finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("catch_panic::ResponseBody")
            .finish_non_exhaustive()
    }
}

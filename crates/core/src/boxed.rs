//! A service whose type can be written down, whatever it is made of.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Admit, BoxError, Failure, JsonBody, Rejection};

/// A service of any make behind a name of its own, for struct fields, lists and signatures.
///
/// It takes requests with a body of type `B`, by default the one that leaves get. Its response body is a [`BoxBody`], its
/// error a [`Failure`]. It passes on what the service [admits](Admit); a service that cannot say goes into
/// [`Open`](crate::Open) first. A clone costs an allocation and a clone of the service; each call costs two, for its future
/// and its body.
pub struct BoxService<B = JsonBody> {
    inner: Box<dyn Erased<B>>,
}

/// The future of a [`BoxService`].
pub type BoxFuture = Pin<Box<dyn Future<Output = Result<Response<BoxBody>, Failure>> + Send>>;

trait Erased<B>: Send + Sync {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>>;
    fn call(&mut self, request: Request<B>) -> BoxFuture;
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection>;
    fn clone_box(&self) -> Box<dyn Erased<B>>;
}

// === impl BoxService ===

impl<B> BoxService<B> {
    /// Boxes a service.
    pub fn new<S, R>(service: S) -> Self
    where
        S: Service<Request<B>, Response = Response<R>> + Admit<Request<B>>,
        S: Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self {
            inner: Box::new(service),
        }
    }
}

impl<S, B, R> Erased<B> for S
where
    S: Service<Request<B>, Response = Response<R>> + Admit<Request<B>>,
    S: Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Service::poll_ready(self, cx).map_err(Failure::wrap)
    }

    fn call(&mut self, request: Request<B>) -> BoxFuture {
        let future = Service::call(self, request);
        Box::pin(async move {
            match future.await {
                Ok(response) => Ok(response.map(BoxBody::new)),
                Err(error) => Err(Failure::wrap(error)),
            }
        })
    }

    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        Admit::admit(self, request)
    }

    fn clone_box(&self) -> Box<dyn Erased<B>> {
        Box::new(self.clone())
    }
}

impl<B> Service<Request<B>> for BoxService<B> {
    type Response = Response<BoxBody>;
    type Error = Failure;
    type Future = BoxFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> BoxFuture {
        self.inner.call(request)
    }
}

impl<B> Admit<Request<B>> for BoxService<B> {
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        self.inner.admit(request)
    }
}

impl<B> Clone for BoxService<B> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone_box(),
        }
    }
}

impl<B> fmt::Debug for BoxService<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxService").finish_non_exhaustive()
    }
}

/// Boxes the service below it: the first layer of a `ServiceBuilder` whose result is to be a [`BoxService`].
pub struct BoxLayer<B = JsonBody> {
    body: PhantomData<fn(B)>,
}

impl<B> BoxLayer<B> {
    /// Boxes services that take requests with a body of type `B`.
    #[must_use]
    pub const fn new() -> Self {
        Self { body: PhantomData }
    }
}

impl<S, B, R> Layer<S> for BoxLayer<B>
where
    S: Service<Request<B>, Response = Response<R>> + Admit<Request<B>>,
    S: Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Service = BoxService<B>;

    fn layer(&self, inner: S) -> BoxService<B> {
        BoxService::new(inner)
    }
}

// By hand: neither asks anything of the body.
impl<B> Clone for BoxLayer<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for BoxLayer<B> {}

impl<B> Default for BoxLayer<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> fmt::Debug for BoxLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxLayer")
    }
}

/// A response body of any type. Frames, trailers, size and end are those of the body inside, which is dropped as soon as it
/// has failed.
pub struct BoxBody {
    // `None` after an error.
    inner: Option<Pin<Box<dyn ErasedBody>>>,
}

trait ErasedBody: Send {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> PollFrame;
    fn is_end_stream(&self) -> bool;
    fn size_hint(&self) -> SizeHint;
}

type PollFrame = Poll<Option<Result<Frame<Bytes>, Failure>>>;

// === impl BoxBody ===

impl BoxBody {
    /// Boxes a body.
    pub fn new<R>(body: R) -> Self
    where
        R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self {
            inner: Some(Box::pin(body)),
        }
    }
}

impl<R> ErasedBody for R
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send,
{
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> PollFrame {
        Body::poll_frame(self, cx).map_err(Failure::wrap)
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(self)
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(self)
    }
}

impl Body for BoxBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PollFrame {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let polled = inner.as_mut().poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Err(_)))) {
            self.inner = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(|inner| inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Debug for BoxBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxBody").finish_non_exhaustive()
    }
}

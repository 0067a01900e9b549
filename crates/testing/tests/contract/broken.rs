//! A layer that can be broken in one way at a time.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};
use ziggurat_core::BoxError;

/// What a broken layer does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Nothing,
    ReadyAtOnce,
    HidesUnready,
    CopiesReadiness,
    CallsClone,
    KeepsReadiness,
    CallsTwice,
    AnswersAlone,
    ChangesRequest,
    ChangesPath,
    DropsExtensions,
    ChangesStatus,
    ChangesVersion,
    AddsHeader,
    LosesError,
    LosesUnready,
    HidesError,
    KeepsFuture,
    KeepsPolledFuture,
    KeepsBody,
    KeepsReadBody,
    HidesSize,
    HoldsFrame,
    EndsBeforeHeld,
    ClaimsEnd,
    EatsTrailers,
    EatsEmptyFrames,
    LosesBodyError,
    SwallowsBodyError,
    RepeatsBodyError,
    StallsBody,
}

#[derive(Clone, Copy)]
pub(crate) struct Broken(pub(crate) Fault);

impl<S> Layer<S> for Broken {
    type Service = BrokenService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BrokenService {
            inner,
            fault: self.0,
            ready: false,
        }
    }
}

#[derive(Clone)]
pub(crate) struct BrokenService<S> {
    inner: S,
    fault: Fault,
    /// Cloned with the rest, which is what `CopiesReadiness` gets wrong.
    ready: bool,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S, B, R> Service<Request<B>> for BrokenService<S>
where
    S: Service<
            Request<B>,
            Response = Response<R>,
            Error: Into<BoxError> + Send,
            Future: Send + 'static,
        >,
    S: Clone + Send + 'static,
    B: Clone + Send + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Default + Send + Unpin + 'static,
{
    type Response = Response<BrokenBody<R>>;
    type Error = BoxError;
    type Future = BoxFuture<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.fault == Fault::ReadyAtOnce || self.fault == Fault::CopiesReadiness && self.ready {
            return Poll::Ready(Ok(()));
        }
        let polled = ready!(self.inner.poll_ready(cx));
        self.ready = true;
        Poll::Ready(match polled {
            Err(_) if self.fault == Fault::HidesUnready => Ok(()),
            Err(_) if self.fault == Fault::LosesUnready => Err("something".into()),
            polled => polled.map_err(Into::into),
        })
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let fault = self.fault;
        self.ready = false;
        if fault == Fault::ChangesRequest {
            request.headers_mut().remove("x-twice");
        }
        if fault == Fault::ChangesPath {
            *request.uri_mut() = "/".parse().unwrap();
        }
        let again = self.inner.clone().oneshot(request.clone());
        let answer: BoxFuture<_> = match fault {
            Fault::AnswersAlone => Box::pin(async { Ok(Response::default()) }),
            Fault::CallsClone => Box::pin(self.inner.clone().call(request)),
            // The readiness of `self.inner` is never used, and never given up.
            Fault::KeepsReadiness => Box::pin(again),
            Fault::CallsTwice => {
                let first = self.inner.call(request);
                Box::pin(async move {
                    let _ = first.await;
                    again.await
                })
            }
            Fault::KeepsFuture => {
                let task = tokio::spawn(self.inner.call(request));
                Box::pin(async { task.await.unwrap() })
            }
            // Nothing is kept unless the layer's own future was polled before it is dropped.
            Fault::KeepsPolledFuture => {
                let future = self.inner.call(request);
                Box::pin(async { tokio::spawn(future).await.unwrap() })
            }
            _ => Box::pin(self.inner.call(request)),
        };
        Box::pin(async move {
            match answer.await {
                Ok(response) => Ok(spoil(response, fault).await),
                Err(_) if fault == Fault::HidesError => {
                    Ok(Response::new(BrokenBody::new(R::default(), fault)))
                }
                Err(_) if fault == Fault::LosesError => Err("something".into()),
                Err(error) => Err(error.into()),
            }
        })
    }
}

async fn spoil<R>(mut response: Response<R>, fault: Fault) -> Response<BrokenBody<R>>
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + Default + Unpin,
{
    match fault {
        Fault::ChangesStatus => *response.status_mut() = StatusCode::OK,
        Fault::ChangesVersion => *response.version_mut() = Version::HTTP_11,
        Fault::AddsHeader => {
            let added = HeaderValue::from_static("1");
            response.headers_mut().insert("x-added", added);
        }
        Fault::DropsExtensions => response.extensions_mut().clear(),
        Fault::KeepsBody => mem::forget(mem::take(response.body_mut())),
        _ => {}
    }
    // As a layer does that looks at the first frame before it answers.
    let held = match fault {
        Fault::HoldsFrame | Fault::EndsBeforeHeld => response.body_mut().frame().await,
        _ => None,
    };
    let mut response = response.map(|inner| BrokenBody::new(inner, fault));
    response.body_mut().held = held.map(|frame| frame.map_err(Into::into));
    response
}

pub(crate) struct BrokenBody<R: Default> {
    inner: R,
    fault: Fault,
    held: Option<Result<Frame<Bytes>, BoxError>>,
    read: bool,
    failed: bool,
}

impl<R: Default> BrokenBody<R> {
    fn new(inner: R, fault: Fault) -> Self {
        Self {
            inner,
            fault,
            held: None,
            read: false,
            failed: false,
        }
    }
}

impl<R: Default> Drop for BrokenBody<R> {
    fn drop(&mut self) {
        if self.fault == Fault::KeepsReadBody && self.read {
            mem::forget(mem::take(&mut self.inner));
        }
    }
}

impl<R> Body for BrokenBody<R>
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + Default + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.read = true;
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(held));
        }
        if self.failed {
            return Poll::Ready(Some(Err("again".into())));
        }
        loop {
            let stalls = self.fault == Fault::StallsBody;
            let waker = if stalls { Waker::noop() } else { cx.waker() };
            let polled = Pin::new(&mut self.inner).poll_frame(&mut Context::from_waker(waker));
            return Poll::Ready(match ready!(polled) {
                Some(Ok(frame)) if self.fault == Fault::EatsTrailers && frame.is_trailers() => None,
                Some(Ok(frame))
                    if self.fault == Fault::EatsEmptyFrames
                        && frame.data_ref().is_some_and(Bytes::is_empty) =>
                {
                    continue;
                }
                Some(Err(_)) if self.fault == Fault::LosesBodyError => {
                    Some(Err("something".into()))
                }
                Some(Err(_)) if self.fault == Fault::SwallowsBodyError => None,
                other => {
                    let failed = matches!(other, Some(Err(_)));
                    self.failed = failed && self.fault == Fault::RepeatsBodyError;
                    other.map(|frame| frame.map_err(Into::into))
                }
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        let held = self.held.is_some() && self.fault != Fault::EndsBeforeHeld;
        (self.inner.is_end_stream() && !held)
            || (self.fault == Fault::ClaimsEnd && self.inner.size_hint().exact() == Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        if let Some(Ok(frame)) = &self.held
            && self.fault == Fault::EndsBeforeHeld
            && let Some(rest) = hint.exact()
        {
            let held = frame.data_ref().map_or(0, Bytes::len) as u64;
            hint.set_exact(rest + held);
        }
        if self.fault == Fault::HidesSize {
            hint = SizeHint::default();
        }
        hint
    }
}

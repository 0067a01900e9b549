//! The contract suite lets good layers pass, and catches each way to break one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, Service, ServiceExt, layer::util::Identity, timeout::TimeoutLayer};
use ziggurat_core::{Admit, BoxError, FailureKind, Open, Rejection};
use ziggurat_testing::contract;

/// What a broken layer does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    ReadyAtOnce,
    CallsClone,
    KeepsReadiness,
    CallsTwice,
    AnswersAlone,
    ChangesRequest,
    DropsExtensions,
    AddsHeader,
    LosesError,
    HidesError,
    KeepsFuture,
    KeepsBody,
    HidesSize,
    ClaimsEnd,
    EatsTrailers,
    EatsEmptyFrames,
    LosesBodyError,
    StallsBody,
}

#[derive(Clone, Copy)]
struct Broken(Fault);

impl<S> Layer<S> for Broken {
    type Service = BrokenService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BrokenService {
            inner,
            fault: self.0,
        }
    }
}

#[derive(Clone)]
struct BrokenService<S> {
    inner: S,
    fault: Fault,
}

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
    R: Send + Default + 'static,
{
    type Response = Response<BrokenBody<R>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.fault == Fault::ReadyAtOnce {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let fault = self.fault;
        if fault == Fault::ChangesRequest {
            request.headers_mut().remove("x-twice");
        }
        let again = self.inner.clone().oneshot(request.clone());
        let answer: Pin<Box<dyn Future<Output = _> + Send>> = match fault {
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
            _ => Box::pin(self.inner.call(request)),
        };
        Box::pin(async move {
            match answer.await {
                Ok(response) => Ok(spoil(response, fault)),
                Err(_) if fault == Fault::HidesError => Ok(Response::new(BrokenBody {
                    inner: R::default(),
                    fault,
                })),
                Err(_) if fault == Fault::LosesError => Err("something".into()),
                Err(error) => Err(error.into()),
            }
        })
    }
}

fn spoil<R: Default>(mut response: Response<R>, fault: Fault) -> Response<BrokenBody<R>> {
    if fault == Fault::AddsHeader {
        response
            .headers_mut()
            .insert("x-added", HeaderValue::from_static("1"));
    }
    if fault == Fault::DropsExtensions {
        response.extensions_mut().clear();
    }
    if fault == Fault::KeepsBody {
        let kept = mem::take(response.body_mut());
        mem::forget(kept);
    }
    response.map(|inner| BrokenBody { inner, fault })
}

struct BrokenBody<R> {
    inner: R,
    fault: Fault,
}

impl<R> Body for BrokenBody<R>
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
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
                other => other.map(|frame| frame.map_err(Into::into)),
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
            || (self.fault == Fault::ClaimsEnd && self.inner.size_hint().exact() == Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        if self.fault == Fault::HidesSize {
            SizeHint::default()
        } else {
            self.inner.size_hint()
        }
    }
}

macro_rules! caught {
    ($($name:ident: $check:ident of $fault:ident => $message:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        #[should_panic(expected = $message)]
        async fn $name() {
            contract::$check(&Broken(Fault::$fault), &contract::request()).await;
        }
    )*};
}

caught! {
    a_layer_that_is_ready_before_its_inner_service: readiness of ReadyAtOnce => "without a `Ready`";
    a_layer_that_calls_a_clone: readiness of CallsClone => "without a `Ready`";
    a_layer_that_answers_alone: readiness of AnswersAlone => "without its inner service";
    a_layer_that_keeps_its_readiness: concurrency_limit of KeepsReadiness => "hung";
    a_layer_that_calls_twice: pass_through of CallsTwice => "was called 2 times";
    a_layer_that_changes_the_request: pass_through of ChangesRequest => "the request's headers";
    a_layer_that_adds_a_header: pass_through of AddsHeader => "the headers";
    a_layer_that_drops_extensions: pass_through of DropsExtensions => "a foreign extension of the response";
    a_body_that_hides_its_size: pass_through of HidesSize => "the size hint";
    a_body_that_claims_its_end: pass_through of ClaimsEnd => "`is_end_stream`";
    a_body_that_eats_trailers: pass_through of EatsTrailers => "expected trailers, got the end";
    a_body_that_eats_empty_frames: pass_through of EatsEmptyFrames => "a data frame";
    a_body_that_loses_its_error: pass_through of LosesBodyError => "lost its cause";
    a_body_that_swallows_wake_ups: pass_through of StallsBody => "hung: the body does not go on";
    a_future_that_lives_on: cancellation of KeepsFuture => "inner response futures held";
    a_body_that_lives_on: cancellation of KeepsBody => "inner response bodies held";
    a_layer_that_loses_the_error: errors of LosesError => "not in the source chain";
    a_layer_that_hides_the_error: errors of HidesError => "the layer answered 200";
}

#[tokio::test(start_paused = true)]
async fn good_layers_pass() {
    let request = contract::request();
    contract::all(&Broken(Fault::Nothing), &request).await;
    contract::all(&Identity::new(), &request).await;
    contract::all(&TimeoutLayer::new(Duration::from_secs(1)), &request).await;
    contract::all(&(Broken(Fault::Nothing), Identity::new()), &request).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_may_carry_extensions_and_any_clonable_body() {
    let mut request = contract::request().map(|_| http_body_util::Empty::<Bytes>::new());
    request.extensions_mut().insert("an extension");
    contract::all(&Identity::new(), &request).await;
}

#[tokio::test]
async fn a_layer_that_admits_as_its_inner_service_passes() {
    contract::admission(&Identity::new(), &contract::request()).await;
}

#[tokio::test]
#[should_panic(expected = "the rejection of the inner service")]
async fn a_layer_that_admits_by_itself() {
    let layer = tower::layer::layer_fn(|inner: contract::Inner<_>| Open::new(inner));
    contract::admission(&layer, &contract::request()).await;
}

#[tokio::test]
#[should_panic(expected = "the request is admitted")]
async fn a_layer_that_admits_nothing() {
    #[derive(Clone)]
    struct Closed<S>(S);
    impl<S: Service<Req>, Req> Service<Req> for Closed<S> {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: Req) -> S::Future {
            self.0.call(request)
        }
    }
    impl<S, Req> Admit<Req> for Closed<S> {
        fn admit(&self, _: &Req) -> Result<(), Rejection> {
            Err(Rejection::new(FailureKind::CoolingDown).with_retry_after(Duration::from_secs(7)))
        }
    }
    let layer = tower::layer::layer_fn(|inner: contract::Inner<_>| Closed(inner));
    contract::admission(&layer, &contract::request()).await;
}

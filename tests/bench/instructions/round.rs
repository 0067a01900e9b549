//! One round of a case: what is counted.

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

pub(crate) type Round = Box<dyn FnMut()>;

/// A chat request of 1 KB.
pub(crate) fn request() -> Request<Full<Bytes>> {
    static BODY: &[u8] = include_bytes!("request-1k.json");
    sized(Bytes::from_static(BODY))
}

pub(crate) fn sized(body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

/// A round is a call, from its request to the end of its response's body.
pub(crate) fn calls<S, B, R>(service: S, request: impl Fn() -> Request<B> + 'static) -> Round
where
    S: Service<Request<B>, Response = Response<R>> + 'static,
    R: Body + 'static,
{
    let mut service = service;
    Box::new(move || {
        let response = call(&mut service, request());
        drain(response.into_body());
    })
}

/// A round is one frame of a body that does not end.
pub(crate) fn frames<S, B, R>(mut service: S, request: Request<B>) -> Round
where
    S: Service<Request<B>, Response = Response<R>> + 'static,
    R: Body + 'static,
{
    let mut body = Box::pin(call(&mut service, request).into_body());
    Box::new(move || {
        let frame = settle(|cx| body.as_mut().poll_frame(cx));
        assert!(matches!(black_box(frame), Some(Ok(_))), "the body ended");
    })
}

/// A round is a clone of the service, and its drop.
pub(crate) fn clones<S: Clone + 'static>(service: S) -> Round {
    Box::new(move || drop(black_box(service.clone())))
}

fn call<S, B, R>(service: &mut S, request: Request<B>) -> Response<R>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    let ready = settle(|cx| service.poll_ready(cx));
    assert!(ready.is_ok(), "the service is not well");
    let mut future = pin!(service.call(black_box(request)));
    match settle(|cx| future.as_mut().poll(cx)) {
        Ok(response) if response.status().is_success() => response,
        Ok(response) => panic!("the call ended with {}", response.status()),
        Err(_) => panic!("the call failed"),
    }
}

/// Reads a body to its end.
pub(crate) fn drain<R: Body>(body: R) {
    let mut body = pin!(body);
    while let Some(frame) = settle(|cx| body.as_mut().poll_frame(cx)) {
        assert!(black_box(frame).is_ok(), "the body broke");
    }
}

/// Polls until it is done. There is no executor in the figures, and nothing waits for a real clock.
fn settle<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = poll(&mut cx) {
            return output;
        }
    }
}

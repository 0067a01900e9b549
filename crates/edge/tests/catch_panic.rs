//! Panics become failures, wherever they happen.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};
use ziggurat_core::FailureKind;
use ziggurat_edge::{CatchPanicLayer, RespondLayer};

/// Where a call panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Ready,
    Call,
    Future,
    /// At the second frame.
    Body,
    /// At the second frame, and again when it is dropped.
    Drop,
}

#[derive(Clone)]
struct Panics {
    at: At,
    dropped: Arc<AtomicUsize>,
}

struct Panicking(Panics, usize);

impl Panics {
    fn new(at: At) -> Self {
        let dropped = Arc::default();
        Self { at, dropped }
    }

    fn panic_at(&self, at: At) {
        assert!(self.at != at, "a prompt");
    }
}

impl Service<Request<()>> for Panics {
    type Response = Response<Panicking>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Panicking>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.panic_at(At::Ready);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        self.panic_at(At::Call);
        let body = Panicking(self.clone(), 0);
        Box::pin(async move {
            body.0.panic_at(At::Future);
            let response = Response::builder().header("content-type", "text/event-stream");
            Ok(response.body(body).unwrap())
        })
    }
}

impl Body for Panicking {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.1 += 1;
        if self.1 > 1 {
            self.0.panic_at(At::Body);
            self.0.panic_at(At::Drop);
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: 1\n\n")))))
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
        if !std::thread::panicking() {
            self.0.panic_at(At::Drop);
        }
    }
}

#[tokio::test]
async fn a_panic_before_the_head_is_a_failure() {
    for at in [At::Ready, At::Call, At::Future] {
        let service = CatchPanicLayer::new().layer(Panics::new(at));
        let failure = service.oneshot(Request::new(())).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Panicked, "{at:?}");
        assert!(!format!("{failure:?} {failure}").contains("prompt"));
    }
}

#[tokio::test]
async fn a_panic_is_answered_with_500_in_the_form_of_the_api() {
    let service = RespondLayer::new().layer(CatchPanicLayer::new().layer(Panics::new(At::Future)));
    for (path, expected) in [
        (
            "/v1/chat/completions",
            json!({"error": {"message": "internal error", "type": "internal_server_error", "param": null, "code": "500"}}),
        ),
        (
            "/v1/messages",
            json!({"type": "error", "error": {"type": "api_error", "message": "internal error"}}),
        ),
    ] {
        let request = Request::post(path).body(()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500, "{path}");
        let text = response.into_body().collect().await.unwrap().to_bytes();
        let text: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(text, expected, "{path}");
    }
}

#[tokio::test]
async fn a_panic_in_a_stream_ends_it_with_an_error_event() {
    for at in [At::Body, At::Drop] {
        let panics = Panics::new(at);
        let dropped = Arc::clone(&panics.dropped);
        let service = RespondLayer::new().layer(CatchPanicLayer::new().layer(panics));
        let request = Request::post("/v1/chat/completions").body(()).unwrap();
        let mut body = service.oneshot(request).await.unwrap().into_body();
        let mut next = async || {
            let frame = body.frame().await?.unwrap().into_data().unwrap();
            Some(String::from_utf8(frame.to_vec()).unwrap())
        };
        assert_eq!(next().await.unwrap(), "data: 1\n\n");
        let end = next().await.unwrap();
        assert!(
            end.starts_with("\n\ndata: {\"error\":{\"message\":\"internal error\"")
                && end.ends_with("data: [DONE]\n\n"),
            "{end}"
        );
        // What it held is freed before anyone asks again.
        assert_eq!(dropped.load(Relaxed), 1, "{at:?}");
        assert_eq!(next().await, None, "{at:?}");
    }
}

//! Bodies that break after the head has left.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};
use ziggurat_core::{Failure, FailureKind};
use ziggurat_edge::RespondLayer;

fn broken(
    content_type: &'static str,
) -> impl Service<
    Request<()>,
    Response = Response<impl Body<Data = Bytes, Error = Failure> + use<>>,
    Error = Infallible,
> {
    RespondLayer::new().layer(service_fn(move |_: Request<()>| async move {
        let frames = stream::iter([
            Ok(Bytes::from_static(b"data: 1\n\n")),
            Err(Failure::new(FailureKind::Disconnected)),
        ]);
        let mut response = Response::new(StreamBody::new(frames.map(|f| f.map(Frame::data))));
        response
            .headers_mut()
            .insert("content-type", content_type.parse().unwrap());
        Ok::<_, Failure>(response)
    }))
}

/// R189 BETTER, D10: one typed error event with the right code, then `[DONE]`, then the end.
#[tokio::test]
async fn a_stream_that_breaks_says_so() {
    let response = broken("text/event-stream; charset=utf-8")
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(
        (
            &response.headers()["cache-control"],
            &response.headers()["x-accel-buffering"]
        ),
        (
            &"no-cache".parse::<http::HeaderValue>().unwrap(),
            &"no".parse().unwrap()
        )
    );
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&text).unwrap();
    let events: Vec<_> = text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .collect();
    assert_eq!(
        (events[0], events[2], events.len()),
        ("data: 1", "data: [DONE]", 3),
        "{text}"
    );
    let error: Value = serde_json::from_str(events[1].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["type"]),
        (&json!("502"), &json!("internal_server_error"))
    );
}

#[tokio::test]
async fn a_plain_body_that_breaks_is_not_taken_for_whole() {
    let mut body = broken("application/json")
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(
        body.frame().await.unwrap().unwrap_err().kind(),
        FailureKind::Disconnected
    );
    assert!(body.frame().await.is_none() && body.is_end_stream());
}

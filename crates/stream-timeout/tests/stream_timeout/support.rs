use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio_test::task;
use tower::{Layer, ServiceExt};
use ziggurat_core::{Failure, FailureKind, LlmRequest, json::Document};
use ziggurat_stream_timeout::{Elapsed, Limit, ResponseBody, StreamTimeoutLayer};
use ziggurat_testing::{ScriptedBody, ScriptedService};

pub(crate) type Service = ScriptedService<Request<()>, Response<ScriptedBody>, Failure>;
pub(crate) type Body = ResponseBody<ScriptedBody>;

pub(crate) const COMMENT: &str = ": PROCESSING\n\n";
pub(crate) const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
pub(crate) const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\
     \"refusal\":null},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
pub(crate) const TEXT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn limit(first: u64) -> StreamTimeoutLayer {
    StreamTimeoutLayer::new(seconds(first))
}

pub(crate) fn plain() -> Request<()> {
    Request::new(())
}

pub(crate) fn streaming() -> Request<()> {
    with(plain(), llm_request(true))
}

pub(crate) fn llm_request(stream: bool) -> LlmRequest {
    let document = Document::parse(Bytes::from_static(b"{}")).unwrap();
    LlmRequest::new("zephyr", stream, document)
}

pub(crate) fn with<B, T: Clone + Send + Sync + 'static>(
    mut request: Request<B>,
    extension: T,
) -> Request<B> {
    request.extensions_mut().insert(extension);
    request
}

pub(crate) fn body() -> ScriptedBody {
    ScriptedBody::new().unknown_size()
}

pub(crate) fn events<R>(body: R) -> Response<R> {
    let response = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
    response.body(body).unwrap()
}

/// Answers at once with this event stream.
pub(crate) fn answering(body: ScriptedBody) -> Service {
    Service::new().ok(events(body))
}

pub(crate) async fn ask<D>(
    layer: StreamTimeoutLayer<D>,
    service: &Service,
    request: Request<()>,
) -> Result<Response<Body>, Failure>
where
    D: ziggurat_stream_timeout::Detect + Clone,
{
    layer.layer(service.clone()).oneshot(request).await
}

/// Returns the body of a stream that has begun, as a task.
pub(crate) async fn begun(layer: StreamTimeoutLayer, scripted: ScriptedBody) -> task::Spawn<Body> {
    let response = ask(layer, &answering(scripted), plain()).await;
    task::spawn(response.unwrap().into_body())
}

/// Reads a body: what came, and the failure that ended it.
pub(crate) async fn read(mut body: Body) -> (String, Option<Failure>) {
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => text.push_str(std::str::from_utf8(&data).unwrap()),
            Ok(Err(_)) => text.push_str("(trailers)"),
            Err(failure) => return (text, Some(failure)),
        }
    }
    (text, None)
}

/// Returns the limit that made a call fail, having checked the rest of the failure.
#[track_caller]
pub(crate) fn elapsed(failure: &Failure) -> (Limit, u64) {
    assert_eq!(failure.kind(), FailureKind::Timeout);
    assert_eq!(failure.status(), 408);
    let source = failure.source().unwrap().downcast_ref::<Elapsed>();
    let source = source.unwrap();
    assert_eq!(failure.limit(), Some(source.after()));
    let message = failure.to_string();
    let start = format!("timeout after {} s", source.after().as_secs_f64());
    assert!(message.starts_with(&start), "{message}");
    (source.limit(), source.after().as_secs())
}

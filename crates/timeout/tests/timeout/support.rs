use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use tower::{Layer, ServiceExt};
use ziggurat_core::{Failure, FailureKind, LlmRequest, json::Document};
use ziggurat_testing::{ScriptedBody, ScriptedService};
use ziggurat_timeout::{Elapsed, ResponseBody, TimeoutLayer, TotalTimeoutLayer};

pub(crate) type Service = ScriptedService<Request<()>, Response<ScriptedBody>, Failure>;

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn limit(limit: u64) -> TimeoutLayer {
    TimeoutLayer::new(seconds(limit))
}

/// For the whole request.
pub(crate) fn total(limit: u64) -> TotalTimeoutLayer {
    TotalTimeoutLayer::new(seconds(limit))
}

pub(crate) fn plain() -> Request<()> {
    Request::new(())
}

pub(crate) fn streaming() -> Request<()> {
    let document = Document::parse(Bytes::from_static(b"{}")).unwrap();
    with(plain(), LlmRequest::new("zephyr", true, document))
}

pub(crate) fn with<T: Clone + Send + Sync + 'static>(
    mut request: Request<()>,
    extension: T,
) -> Request<()> {
    request.extensions_mut().insert(extension);
    request
}

/// Answers at once with this body.
pub(crate) fn answering(body: ScriptedBody) -> Service {
    Service::new().ok(Response::new(body))
}

/// Answers at once with this body, as an event stream.
pub(crate) fn event_stream(body: ScriptedBody) -> Service {
    let response = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
    Service::new().ok(response.body(body).unwrap())
}

pub(crate) async fn ask(
    layer: TimeoutLayer,
    service: &Service,
    request: Request<()>,
) -> Result<Response<ResponseBody<ScriptedBody>>, Failure> {
    layer.layer(service.clone()).oneshot(request).await
}

/// A slow body: 20 frames, one each second.
pub(crate) fn trickle() -> ScriptedBody {
    (0..20).fold(ScriptedBody::new().unknown_size(), |body, _| {
        body.wait(seconds(1)).data("x")
    })
}

/// Returns the limit that made a call fail, having checked the rest of the failure.
#[track_caller]
pub(crate) fn elapsed(failure: &Failure) -> Duration {
    assert_eq!(failure.kind(), FailureKind::Timeout);
    assert_eq!(failure.status(), 408);
    let source = failure.source().unwrap().downcast_ref::<Elapsed>();
    let after = source.unwrap().after();
    let message = failure.to_string();
    let message = message.strip_prefix("total ").unwrap_or(&message);
    assert_eq!(message, format!("timeout after {} s", after.as_secs_f64()));
    after
}

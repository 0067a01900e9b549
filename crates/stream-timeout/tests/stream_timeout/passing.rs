//! What the layer does not act on.

use http::{Request, Response, response};
use tokio_test::{assert_ready_ok, task};
use tower::{Layer, Service as _};
use ziggurat_core::{Failure, FailureKind};
use ziggurat_testing::ScriptedBody;

use crate::support::{
    COMMENT, Service, ask, body, limit, llm_request, plain, read, seconds, streaming, with,
};

/// A body without content that no limit would let pass.
fn slow() -> ScriptedBody {
    body()
        .wait(seconds(9))
        .data(COMMENT)
        .wait(seconds(9))
        .data(COMMENT)
}

async fn passes(request: Request<()>, response: response::Builder) {
    let service = Service::new()
        .ok(response.body(slow()).unwrap())
        .after(seconds(1));
    let layer = limit(5).idle(seconds(2)).total(seconds(6));
    let response = ask(layer, &service, request).await.unwrap();
    let (text, failure) = read(response.into_body()).await;
    assert_eq!(text, COMMENT.repeat(2));
    assert!(failure.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_stream_passes() {
    let json = || Response::builder().header("content-type", "application/json");
    let events = || Response::builder().header("content-type", "text/event-stream");
    passes(plain(), Response::builder()).await;
    passes(plain(), json()).await;
    passes(with(plain(), llm_request(false)), json()).await;
    for request in [plain(), streaming()] {
        for status in [302, 400, 429, 500] {
            passes(request.clone(), events().status(status)).await;
            passes(request.clone(), json().status(status)).await;
        }
        passes(
            request,
            events().extension(Failure::new(FailureKind::Server)),
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_an_event_stream_is_one() {
    for (content_type, held) in [
        ("text/event-stream", true),
        ("Text/Event-Stream ;charset=utf-8", true),
        ("text/event-streams", false),
        ("text/event", false),
    ] {
        let response = Response::builder().header("content-type", content_type);
        let service = Service::new().ok(response.body(slow()).unwrap());
        let result = ask(limit(5), &service, plain()).await;
        assert_eq!(result.is_err(), held, "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_wish_for_a_stream_the_head_may_take_its_time() {
    let service = Service::new()
        .ok(Response::new(ScriptedBody::new()))
        .after(seconds(60));
    ask(limit(5), &service, plain()).await.unwrap();
}

#[test]
fn the_body_is_not_touched_before_its_reader_comes() {
    // Outside of a runtime, the pause of the script panics if it is polled.
    let mut service = limit(5).layer(Service::new().ok(Response::new(slow())));
    assert_ready_ok!(task::spawn(service.call(plain())).poll());
}

#[tokio::test(start_paused = true)]
async fn the_inner_failure_passes() {
    let service = Service::new().err(Failure::new(FailureKind::Connect));
    let failure = ask(limit(5), &service, streaming()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Connect);
}

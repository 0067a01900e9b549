//! The body of a response.

use std::pin::Pin;

use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use ziggurat_core::{DeploymentId, Failure, FailureKind, overrides};
use ziggurat_testing::{Guards, ScriptedBody};
use ziggurat_timeout::{ResponseBody, TimeoutLayer};

use crate::support::{
    Service, answering, ask, elapsed, event_stream, limit, plain, seconds, streaming, trickle, with,
};

/// Returns how many frames came, and the failure that ended them.
async fn frames(
    layer: TimeoutLayer,
    service: &Service,
    request: Request<()>,
) -> (usize, Option<Failure>) {
    let mut body = ask(layer, service, request).await.unwrap().into_body();
    let mut frames = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(_) => frames += 1,
            Err(failure) => return (frames, Some(failure)),
        }
    }
    (frames, None)
}

#[tokio::test(start_paused = true)]
async fn r99_a_trickling_body_is_cut_at_the_deadline() {
    let start = Instant::now();
    let service = answering(trickle()).after(seconds(2));
    let (frames, failure) = frames(limit(5), &service, plain()).await;
    // The time that the head took counts, and so does the frame that comes with the deadline.
    assert_eq!((frames, start.elapsed()), (3, seconds(5)));
    assert_eq!(elapsed(&failure.unwrap()), seconds(5));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_a_slow_reader_used_up_is_no_fault_of_the_service() {
    // The trickle takes a second for each frame.
    for (head, reader, blameless) in [(0, 5, true), (5, 3, true), (0, 0, false), (14, 1, false)] {
        let service = answering(trickle()).after(seconds(head));
        let response = ask(limit(15), &service, plain()).await;
        let mut body = response.unwrap().into_body();
        let failure = loop {
            match body.frame().await.unwrap() {
                Ok(_) => tokio::time::sleep(seconds(reader)).await,
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.limit(), Some(seconds(15)));
        assert_eq!(failure.is_blameless(), blameless, "{head} {reader}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_in_time_passes() {
    let (frames, failure) = frames(limit(21), &answering(trickle()), plain()).await;
    assert_eq!(frames, 20);
    assert!(failure.is_none());
}

#[tokio::test(start_paused = true)]
async fn d3_a_stream_is_limited_to_its_head() {
    let stream = answering(trickle()).after(seconds(4));
    let events = event_stream(trickle()).after(seconds(4));
    let layer = limit(5).stream(seconds(5));
    for (service, request) in [
        (&stream, streaming()),
        (&events, streaming()),
        (&events, plain()),
        (
            &events,
            with(streaming(), overrides::StreamTimeout(seconds(5))),
        ),
    ] {
        let (frames, failure) = frames(layer, service, request).await;
        assert_eq!(frames, 20);
        assert!(failure.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn r101_a_limit_that_the_request_sets_is_the_total_of_a_stream_as_well() {
    let total = overrides::Timeout(seconds(9));
    for (service, request) in [
        (answering(trickle()), streaming()),
        (event_stream(trickle()), plain()),
        (
            event_stream(trickle()),
            with(streaming(), overrides::StreamTimeout(seconds(2))),
        ),
    ] {
        let (frames, failure) = frames(limit(5), &service, with(request, total)).await;
        assert_eq!(frames, 9);
        assert_eq!(elapsed(&failure.unwrap()), seconds(9));
    }
}

#[tokio::test(start_paused = true)]
async fn r101_the_total_takes_over_where_the_limit_of_the_head_ends() {
    let service = event_stream(trickle()).after(seconds(1));
    let request = with(streaming(), overrides::StreamTimeout(seconds(2)));
    let request = with(request, overrides::Timeout(seconds(9)));
    let (frames, failure) = frames(limit(5), &service, request).await;
    assert_eq!(frames, 8);
    assert_eq!(elapsed(&failure.unwrap()), seconds(9));
}

#[tokio::test(start_paused = true)]
async fn an_error_is_no_stream_whatever_was_asked_for() {
    let response = Response::builder().status(500).body(trickle()).unwrap();
    let service = Service::new().ok(response);
    let layer = limit(7).stream(seconds(4));
    let (frames, failure) = frames(layer, &service, streaming()).await;
    assert_eq!(frames, 4);
    assert_eq!(elapsed(&failure.unwrap()), seconds(4));
}

#[tokio::test(start_paused = true)]
async fn only_an_event_stream_is_one() {
    for (content_type, cut) in [
        ("text/event-stream", false),
        ("Text/Event-Stream ;charset=utf-8", false),
        ("text/event-streams", true),
        ("text/event", true),
        ("application/json", true),
    ] {
        let response = Response::builder().header("content-type", content_type);
        let service = Service::new().ok(response.body(trickle()).unwrap());
        let (_, failure) = frames(limit(5), &service, plain()).await;
        assert_eq!(failure.is_some(), cut, "{content_type}");
    }
}

/// Returns the body that a call is answered with, as a task.
async fn body(scripted: ScriptedBody) -> task::Spawn<ResponseBody<ScriptedBody>> {
    let response = ask(limit(5), &answering(scripted), plain()).await;
    task::spawn(response.unwrap().into_body())
}

macro_rules! poll {
    ($body:expr) => {
        $body.enter(|cx, body| body.poll_frame(cx))
    };
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_there_is_never_lost_to_the_clock() {
    let scripted = ScriptedBody::new().data("a").wait(seconds(1)).data("b");
    let mut body = body(scripted.unknown_size()).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    assert_pending!(poll!(body));
    // The reader comes back long after the deadline: what came meanwhile is handed out.
    tokio::time::advance(seconds(60)).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    assert!(assert_ready!(poll!(body)).is_none());
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_the_inner_body_is_gone_and_nothing_follows() {
    let guards = Guards::new();
    let scripted = ScriptedBody::new().data("a").hang().data("b");
    let mut body = body(scripted.guard(guards.take())).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    assert_pending!(poll!(body));
    assert_eq!((body.size_hint().lower(), body.is_end_stream()), (1, false));
    tokio::time::advance(seconds(5)).await;
    assert!(body.is_woken());
    elapsed(&assert_ready!(poll!(body)).unwrap().unwrap_err());
    assert_eq!(guards.held(), 0);
    assert_eq!(
        (body.size_hint().exact(), body.is_end_stream()),
        (Some(0), true)
    );
    assert!(assert_ready!(poll!(body)).is_none());
}

#[tokio::test(start_paused = true)]
async fn after_an_error_the_inner_body_is_gone_and_nothing_follows() {
    let mut body = body(ScriptedBody::new().error("reset").data("b")).await;
    let failure = assert_ready!(poll!(body)).unwrap().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Other);
    assert!(body.is_end_stream());
    assert!(assert_ready!(poll!(body)).is_none());
}

#[test]
fn no_timer_is_registered_if_no_one_waits() {
    // Outside of a runtime, registering one panics.
    let scripted = ScriptedBody::new().data("a").trailers(HeaderMap::new());
    let service = answering(scripted);
    let call = ask(limit(5), &service, plain());
    let mut call = std::pin::pin!(call);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let response = assert_ready!(call.as_mut().poll(&mut cx)).unwrap();
    let mut body = response.into_body();
    for _ in 0..2 {
        assert!(assert_ready!(Pin::new(&mut body).poll_frame(&mut cx)).is_some());
    }
    assert!(assert_ready!(Pin::new(&mut body).poll_frame(&mut cx)).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_failure_names_the_deployment() {
    let request = with(plain(), DeploymentId::from("zephyr-1"));
    let (_, failure) = frames(limit(5), &answering(trickle()), request).await;
    assert_eq!(failure.unwrap().deployment(), Some(&"zephyr-1".into()));
}

#[test]
fn the_body_is_send_and_unpin_if_the_inner_one_is() {
    fn check<T: Send + Unpin>() {}
    check::<ResponseBody<ScriptedBody>>();
}

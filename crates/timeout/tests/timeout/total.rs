//! The limit of the whole request.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::SizeHint;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, timeout};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service as _, ServiceExt, service_fn};
use ziggurat_core::{BoxError, Deadline, DeploymentId, Failure, FailureKind, overrides};
use ziggurat_testing::{Guards, ScriptedBody, wire};
use ziggurat_timeout::TotalTimeoutLayer;

use crate::support::{
    Service, answering, elapsed, event_stream, limit, plain, seconds, streaming, total, trickle,
    with,
};

fn asks(limit: u64) -> Request<()> {
    with(plain(), overrides::TotalTimeout(seconds(limit)))
}

fn silent() -> Service {
    Service::new().ok(Response::default()).never()
}

async fn ask(layer: TotalTimeoutLayer, request: Request<()>) -> Failure {
    let start = Instant::now();
    let service = silent();
    let failure = layer.layer(service.clone()).oneshot(request).await;
    let failure = failure.unwrap_err();
    assert_eq!(start.elapsed(), elapsed(&failure));
    assert_eq!(service.futures(), 0, "the call is dropped");
    failure
}

#[tokio::test(start_paused = true)]
async fn r108_the_running_attempt_is_cut() {
    let request = with(plain(), DeploymentId::from("zephyr-1"));
    let failure = ask(total(10), request).await;
    assert_eq!(failure.to_string(), "total timeout after 10 s");
    assert_eq!(failure.limit(), Some(seconds(10)));
    assert_eq!(failure.deployment(), None, "it is no one's fault");
}

#[tokio::test(start_paused = true)]
async fn r108_a_caller_may_ask_for_less_not_for_more() {
    for (configured, asked, expected) in [(5, 3, 3), (5, 9, 5), (0, 9, 9), (5, 0, 5)] {
        let failure = ask(total(configured), asks(asked)).await;
        assert_eq!(elapsed(&failure), seconds(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn r108_the_deadline_is_told_below() {
    let service = silent();
    for (layer, request, expected) in [
        (total(5), plain(), Some(5)),
        (total(0), asks(3), Some(3)),
        (total(0), plain(), None),
        (total(0), asks(0), None),
        (TotalTimeoutLayer::new(Duration::MAX), plain(), None),
    ] {
        let now = Instant::now();
        drop(layer.layer(service.clone()).call(request));
        let request = service.take_requests().pop().unwrap();
        let deadline = request.extensions().get::<Deadline>();
        assert_eq!(
            deadline.map(|it| (it.at() - now, it.limit())),
            expected.map(|it| (seconds(it), seconds(it)))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_tells_whose_wish_it_is() {
    for (operator, asked, by_request) in [
        (5, Some(3), true),
        (0, Some(3), true),
        (3, Some(3), false),
        (3, Some(5), false),
        (3, None, false),
    ] {
        let service = silent();
        let request = match asked {
            Some(asked) => with(plain(), overrides::TotalTimeout(seconds(asked))),
            None => plain(),
        };
        drop(total(operator).layer(service.clone()).call(request));
        let request = service.take_requests().pop().unwrap();
        let deadline = request.extensions().get::<Deadline>().unwrap();
        assert_eq!(deadline.is_by_request(), by_request, "{operator} {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_nearer_of_two_deadlines_counts_and_stays() {
    for (outer, inner, nearer) in [(3, 5, 3), (5, 3, 3), (3, 0, 3)] {
        let service = silent();
        let request = with(plain(), Deadline::start(seconds(outer)).unwrap());
        let start = Instant::now();
        let call = total(inner).layer(service.clone()).oneshot(request).await;
        assert_eq!(elapsed(&call.unwrap_err()), seconds(nearer));
        assert_eq!(start.elapsed(), seconds(nearer));
        let request = service.take_requests().pop().unwrap();
        let deadline = request.extensions().get::<Deadline>().unwrap();
        assert_eq!(deadline.limit(), seconds(nearer));
    }
}

#[tokio::test(start_paused = true)]
async fn d3_r101_bodies_of_all_kinds_are_cut() {
    let start = Instant::now();
    for (service, request) in [
        (answering(trickle()), plain()),
        (answering(trickle()), streaming()),
        (event_stream(trickle()), streaming()),
        (event_stream(trickle()), plain()),
    ] {
        let start = Instant::now();
        let service = service.after(seconds(2));
        let response = total(5).layer(service).oneshot(request).await.unwrap();
        let failure = response.into_body().collect().await.unwrap_err();
        assert_eq!(elapsed(&failure), seconds(5));
        assert_eq!(start.elapsed(), seconds(5));
    }
    assert_eq!(start.elapsed(), seconds(20));
}

#[tokio::test(start_paused = true)]
async fn what_ends_in_time_passes() {
    let service = event_stream(trickle()).after(seconds(2));
    let response = total(23).layer(service).oneshot(streaming()).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_is_dropped_at_once() {
    let guards = Guards::new();
    let body = ScriptedBody::new().data("a").guard(guards.take()).hang();
    let service = answering(body);
    let response = total(5).layer(service.clone()).oneshot(plain()).await;
    let mut body = response.unwrap().into_body();
    drop(service);
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(guards.held(), 0);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_lacks_nothing_but_its_end_is_whole() {
    let start = Instant::now();
    let body = ScriptedBody::new().data("a").hang();
    let service = answering(body.size(SizeHint::with_exact(0)));
    let response = total(5).layer(service).oneshot(plain()).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!((body.to_bytes(), start.elapsed()), ("a".into(), seconds(5)));
}

#[test]
fn no_timer_is_registered_unless_someone_waits_for_a_limit() {
    // Outside of a runtime, registering one panics.
    let mut service = total(0).layer(answering(ScriptedBody::new()).never());
    assert_pending!(task::spawn(service.call(plain())).poll());
    let mut service = total(5).layer(answering(ScriptedBody::new()));
    assert_ready_ok!(task::spawn(service.call(plain())).poll());
}

#[tokio::test(start_paused = true)]
async fn r107_dropping_the_call_drops_what_is_below() {
    let service = silent();
    let call = total(5).layer(service.clone()).oneshot(plain());
    timeout(seconds(1), call).await.unwrap_err();
    assert_eq!((service.calls(), service.futures()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn above_an_attempt_the_nearer_of_both_limits_holds() {
    for (whole, attempt) in [(3, 5), (5, 3)] {
        let mut stack = total(whole).layer(limit(attempt).layer(silent()));
        let failure = stack.call(plain()).await.unwrap_err();
        assert_eq!(elapsed(&failure), seconds(3));
        assert_eq!(failure.to_string().starts_with("total"), whole == 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_failure_passes() {
    let service = Service::new().err(Failure::new(FailureKind::Connect));
    let failure = total(5).layer(service).oneshot(plain()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Connect);
}

#[tokio::test]
async fn over_a_connection_a_stream_that_is_cut_does_not_look_whole() -> Result<(), BoxError> {
    for http2 in [false, true] {
        let body = ScriptedBody::new().data("a").hang().unknown_size();
        let answer = service_fn(move |_: Request<hyper::body::Incoming>| {
            let response = Response::new(body.clone());
            async { Ok::<_, Infallible>(response) }
        });
        let served = wire::serve(total(60).layer(answer)).await.unwrap();
        let mut client = if http2 {
            served.http2().await?
        } else {
            served.http1().await?
        };
        let request = Request::new(Full::<Bytes>::default());
        let mut body = client.send(request).await?.into_body();
        assert_eq!(body.frame().await.unwrap()?.into_data().unwrap(), "a");
        // From here on nothing but the deadline can happen.
        tokio::time::pause();
        tokio::time::advance(seconds(60)).await;
        assert!(body.frame().await.unwrap().is_err());
        tokio::time::resume();
    }
    Ok(())
}

fn waits(limit: u64) -> Request<()> {
    with(plain(), overrides::ClientTimeout(seconds(limit)))
}

/// A client that waits no longer than so has left after that.
#[tokio::test(start_paused = true)]
async fn the_clients_own_wait_shortens_only() {
    for (configured, waited, expected) in [(5, 3, 3), (5, 9, 5), (0, 9, 9)] {
        let failure = ask(total(configured), waits(waited)).await;
        assert_eq!(elapsed(&failure), seconds(expected));
    }
    let service = silent();
    drop(total(5).layer(service.clone()).call(waits(3)));
    let request = service.take_requests().pop().unwrap();
    let told = request.extensions().get::<Deadline>().unwrap();
    assert!(told.is_by_request());
    assert_eq!(told.limit(), seconds(3));
}

//! The wait for the head.

use http::Response;
use tokio::time::{Instant, timeout};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service as _};
use ziggurat_core::{ByStatus, DeploymentId, Failure, FailureKind, Outcome, judge};
use ziggurat_testing::ScriptedBody;

use crate::support::{Service, answering, ask, elapsed, limit, plain, seconds, with};

#[tokio::test(start_paused = true)]
async fn a_head_in_time_passes() {
    let service = answering(ScriptedBody::new()).after(seconds(4));
    let start = Instant::now();
    ask(limit(5), &service, plain()).await.unwrap();
    assert_eq!(start.elapsed(), seconds(4));
}

#[tokio::test(start_paused = true)]
async fn r98_the_limit_begins_with_each_call() {
    let service = Service::new().ok(Response::default()).after(seconds(4));
    let mut timeout = limit(5).layer(service);
    for _ in 0..3 {
        timeout.call(plain()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_begins_with_the_call_not_with_its_first_poll() {
    let mut service = limit(5).layer(Service::new().ok(Response::default()).never());
    let call = service.call(plain());
    tokio::time::advance(seconds(3)).await;
    let start = Instant::now();
    elapsed(&call.await.unwrap_err());
    assert_eq!(start.elapsed(), seconds(2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_is_never_lost_to_the_clock() {
    let mut service = limit(5).layer(answering(ScriptedBody::new()).after(seconds(1)));
    let mut call = task::spawn(service.call(plain()));
    assert_pending!(call.poll());
    tokio::time::advance(seconds(60)).await;
    assert_ready_ok!(call.poll());
}

#[test]
fn no_timer_is_registered_if_the_answer_is_there_at_once() {
    // Outside of a runtime, registering one panics.
    let mut service = limit(5).layer(answering(ScriptedBody::new()));
    let response = assert_ready_ok!(task::spawn(service.call(plain())).poll());
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_inner_failure_passes() {
    let service = Service::new().err(Failure::new(FailureKind::Connect));
    let failure = ask(limit(5), &service, plain()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Connect);
}

#[tokio::test(start_paused = true)]
async fn the_nearer_of_two_layers_wins() {
    for (outer, inner) in [(3, 5), (5, 3)] {
        let service = Service::new().ok(Response::default()).never();
        let mut stack = limit(outer).layer(limit(inner).layer(service));
        assert_eq!(elapsed(&stack.call(plain()).await.unwrap_err()), seconds(3));
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_names_the_deployment_and_is_one_for_all_layers() {
    let request = with(plain(), DeploymentId::from("zephyr-1"));
    let service = Service::new().ok(Response::default()).never();
    let result = ask(limit(5), &service, request).await;
    let failure = judge(&ByStatus, &result).unwrap();
    assert_eq!(failure.deployment(), Some(&"zephyr-1".into()));
    let outcome = Outcome::of(&result, Some(&failure));
    assert!(matches!(
        outcome,
        Outcome::Failed {
            kind: FailureKind::Timeout,
            ..
        }
    ));
}

#[tokio::test(start_paused = true)]
async fn r107_dropping_the_call_drops_what_is_below() {
    let service = Service::new().ok(Response::default()).never();
    let call = ask(limit(5), &service, plain());
    timeout(seconds(1), call).await.unwrap_err();
    assert_eq!((service.calls(), service.futures()), (1, 0));
}

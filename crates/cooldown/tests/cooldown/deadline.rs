//! Calls that the deadline of the whole request cuts from outside.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::{advance, sleep, timeout};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service as _};
use ziggurat_cooldown::CooldownLayer;
use ziggurat_core::{Deadline, Failure, FailureKind, vitals::Phase};
use ziggurat_testing::ScriptedBody;

use crate::support::{Deployment, Inner, body, ok, request, rules, seconds, with};

fn deadline(limit: u64) -> Deadline {
    Deadline::start(seconds(limit)).unwrap()
}

/// Calls a deployment that never answers, until `limit` cuts it.
async fn hang(deployment: &Deployment, request: Request<()>, limit: Duration) {
    let layer = CooldownLayer::new(deployment.breaker.clone());
    let mut service = layer.layer(Inner::new().ok(Response::default()).never());
    timeout(limit, service.call(request)).await.unwrap_err();
}

fn counted(deployment: &Deployment) -> (u64, u64) {
    (deployment.breaker.calls(), deployment.breaker.failures())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_operators_deadline_cuts_is_a_timeout() {
    let deployment = Deployment::new(rules().allowed_fails(1));
    hang(&deployment, with(deadline(10)), seconds(10)).await;
    assert_eq!(counted(&deployment), (1, 1));
    assert_eq!(deployment.cooling().last_kind(), Some(FailureKind::Timeout));
    hang(&deployment, with(deadline(10)), seconds(10)).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_hangs_is_not_handed_on() {
    let deployment = Deployment::new(rules().allowed_fails(1000));
    deployment.expire().await;
    hang(&deployment, with(deadline(10)), seconds(10)).await;
    assert_eq!(deployment.rests(), 5.0);
    assert_eq!(deployment.breaker.snapshot().strikes, 1);
}

#[tokio::test(start_paused = true)]
async fn it_counts_nothing_before_the_deadline_or_if_the_request_asked_for_it() {
    let own = || with(deadline(10).with_by_request());
    let deployment = Deployment::new(rules().allowed_fails(0));
    hang(&deployment, with(deadline(10)), seconds(9)).await;
    hang(&deployment, request(), seconds(99)).await;
    hang(&deployment, own(), seconds(10)).await;
    assert_eq!(counted(&deployment), (0, 0));
    deployment.expire().await;
    hang(&deployment, own(), seconds(10)).await;
    assert_eq!(deployment.phase(), Phase::Waiting);
}

#[tokio::test(start_paused = true)]
async fn a_late_attempt_is_not_to_blame() {
    for (late, expected) in [(5, (0, 0)), (4, (1, 1))] {
        let deployment = Deployment::new(rules());
        let request = with(deadline(10));
        advance(seconds(late)).await;
        hang(&deployment, request, seconds(10 - late)).await;
        assert_eq!(counted(&deployment), expected, "{late}");
    }
    // It is the same if the failure comes from below.
    for (late, expected) in [(5, (0, 0)), (4, (1, 1))] {
        let deployment = Deployment::new(rules());
        let request = with(deadline(10));
        advance(seconds(late)).await;
        let failure = Failure::new(FailureKind::Timeout).with_limit(seconds(10 - late));
        let failing = Inner::new().err(failure).after(seconds(10 - late));
        let layer = CooldownLayer::new(deployment.breaker.clone());
        layer.layer(failing).call(request).await.unwrap_err();
        assert_eq!(counted(&deployment), expected, "{late}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_body_the_waits_count_and_the_readers_pauses_do_not() {
    // How long each frame takes, and how long its reader is busy with it.
    for (frame, pause, expected) in [(2, 0, (1, 1)), (1, 2, (0, 0)), (2, 1, (1, 1))] {
        let deployment = Deployment::new(rules());
        let frames = (0..99).fold(ScriptedBody::new(), |frames, _| {
            frames.wait(seconds(frame)).data("a")
        });
        let response = deployment.head(body(frames), with(deadline(10))).await;
        let mut response = response.unwrap();
        let read = async {
            loop {
                response.body_mut().frame().await.unwrap().unwrap();
                sleep(seconds(pause)).await;
            }
        };
        let read: Result<(), _> = timeout(seconds(10), read).await;
        read.unwrap_err();
        drop(response);
        assert_eq!(counted(&deployment), expected, "{frame} {pause}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_judged_is_not_judged_again() {
    let deployment = Deployment::new(rules());
    let request = with(deadline(10));
    let mut service = deployment.service.clone();
    let call = service.call(request.clone());
    advance(seconds(10)).await;
    let mut response = call.await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    assert_eq!(counted(&deployment), (1, 0));
    assert_eq!(deployment.send(ok(), request.clone()).await, None);
    // One that was not answered yet has had no time.
    let layer = CooldownLayer::new(deployment.breaker.clone());
    let mut service = layer.layer(Inner::new().ok(Response::default()).never());
    let mut call = task::spawn(service.call(request));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(counted(&deployment), (2, 0));
}

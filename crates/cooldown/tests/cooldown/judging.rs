//! When a call is judged, and what is not judged at all.

use std::{pin::Pin, time::Duration};

use http::{HeaderMap, Request};
use http_body::{Body, SizeHint};
use http_body_util::BodyExt;
use tokio_test::{assert_pending, task};
use tower::Service as _;
use ziggurat_core::{Deadline, Failure, FailureKind, overrides, vitals::Phase};
use ziggurat_testing::{Guards, ScriptedBody};

use crate::support::{Deployment, body, fail, request, rules, seconds, status, with};

/// Calls that were counted, and how many of them failed.
fn counted(deployment: &Deployment) -> (u64, u64) {
    (deployment.breaker.calls(), deployment.breaker.failures())
}

#[tokio::test(start_paused = true)]
async fn a_success_is_one_when_the_last_frame_has_come() {
    let deployment = Deployment::new(rules());
    let frames = ScriptedBody::new().data("a").pending().data("b");
    let mut body = deployment.head(body(frames), request()).await.unwrap();
    assert_eq!(counted(&deployment), (0, 0));
    body.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(counted(&deployment), (0, 0));
    body.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(counted(&deployment), (1, 0), "`is_end_stream` tells");
    assert!(body.body_mut().frame().await.is_none());
    drop(body);
    assert_eq!(counted(&deployment), (1, 0), "once");
}

#[tokio::test(start_paused = true)]
async fn or_when_nothing_follows() {
    let deployment = Deployment::new(rules());
    let frames = ScriptedBody::new().data("a").silent_end().unknown_size();
    let mut body = deployment.head(body(frames), request()).await.unwrap();
    body.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(counted(&deployment), (0, 0));
    assert!(body.body_mut().frame().await.is_none());
    assert_eq!(counted(&deployment), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn or_with_the_trailers() {
    let deployment = Deployment::new(rules());
    let frames = ScriptedBody::new().data("a").trailers(HeaderMap::new());
    let frames = frames.silent_end().unknown_size();
    let mut body = deployment.head(body(frames), request()).await.unwrap();
    body.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(counted(&deployment), (0, 0));
    body.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(counted(&deployment), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn or_with_the_head_if_the_body_is_empty() {
    let deployment = Deployment::new(rules());
    drop(deployment.head(body(ScriptedBody::new()), request()).await);
    assert_eq!(counted(&deployment), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn or_with_the_drop_of_a_body_of_known_length_that_was_read() {
    let deployment = Deployment::new(rules());
    // As a reader does who counts the bytes.
    let frames = ScriptedBody::new().data("a").data("b").silent_end();
    let mut body = deployment.head(body(frames), request()).await.unwrap();
    body.body_mut().frame().await.unwrap().unwrap();
    body.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(counted(&deployment), (0, 0), "trailers may follow");
    drop(body);
    assert_eq!(counted(&deployment), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn r107_a_drop_before_the_end_counts_nothing() {
    let deployment = Deployment::new(rules());
    let frames = || ScriptedBody::new().data("a").data("b").silent_end();
    for read in 0..2 {
        for frames in [frames(), frames().unknown_size()] {
            let mut body = deployment.head(body(frames), request()).await.unwrap();
            for _ in 0..read {
                body.body_mut().frame().await.unwrap().unwrap();
            }
        }
    }
    // All was read, but no one knows that it was all.
    let mut read = deployment
        .head(body(frames().unknown_size()), request())
        .await
        .unwrap();
    read.body_mut().frame().await.unwrap().unwrap();
    read.body_mut().frame().await.unwrap().unwrap();
    drop(read);
    // Before the head.
    let mut service = deployment.service.clone();
    drop(service.call(request()));
    let hanging = crate::support::Inner::new().ok(Default::default()).never();
    let layer = ziggurat_cooldown::CooldownLayer::new(deployment.breaker.clone());
    let mut service = tower::Layer::layer(&layer, hanging);
    let mut call = task::spawn(service.call(request()));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(counted(&deployment), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_one_when_its_head_has_come() {
    let deployment = Deployment::new(rules());
    let response = deployment.head(status(500), request()).await.unwrap();
    assert_eq!(counted(&deployment), (1, 1));
    drop(response);
    let response = deployment.head(status(500), request()).await.unwrap();
    let read = response.into_body().collect().await.unwrap();
    assert_eq!(read.to_bytes(), "error", "it passes as it is");
    assert_eq!(counted(&deployment), (2, 2), "once each");
}

#[tokio::test(start_paused = true)]
async fn a_broken_body_ends_at_once() {
    let deployment = Deployment::new(rules());
    let guards = Guards::new();
    let broken = ScriptedBody::new().data("a").error("reset").data("b");
    let broken = broken.guard(guards.take());
    let mut body = deployment
        .head(body(broken), request())
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    let failure = body.frame().await.unwrap().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Other);
    assert_eq!(counted(&deployment), (1, 1));
    assert!(Pin::new(&mut body).is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
    assert_eq!(counted(&deployment), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_size_hint_that_lies_is_passed_on() {
    let deployment = Deployment::new(rules());
    let frames = ScriptedBody::new().data("a").size(SizeHint::with_exact(7));
    let body = deployment.head(body(frames), request()).await.unwrap();
    assert_eq!(body.body().size_hint().exact(), Some(7));
}

fn cut(limit: u64) -> Failure {
    Failure::new(FailureKind::Timeout).with_limit(seconds(limit))
}

fn timeout(limit: u64) -> crate::support::Answer {
    Err(cut(limit))
}

fn wishes() -> [Request<()>; 5] {
    [
        with(overrides::Timeout(seconds(3))),
        with(overrides::StreamTimeout(seconds(3))),
        with(overrides::StreamIdleTimeout(seconds(3))),
        with(overrides::StreamTotalTimeout(seconds(3))),
        with(overrides::TotalTimeout(seconds(3))),
    ]
}

#[tokio::test(start_paused = true)]
async fn r106_a_timeout_that_the_request_asked_for_counts_nothing() {
    for wish in wishes() {
        let deployment = Deployment::new(rules());
        deployment.send(timeout(3), wish.clone()).await;
        assert_eq!(counted(&deployment), (0, 0));
        deployment.send(timeout(4), wish.clone()).await;
        assert_eq!(counted(&deployment), (1, 1), "another limit");
        deployment.send(status(408), wish.clone()).await;
        assert_eq!(counted(&deployment), (2, 2), "the upstream's own");
        let late = Failure::new(FailureKind::Server).with_limit(seconds(3));
        deployment.send(Err(late), wish).await;
        assert_eq!(counted(&deployment), (3, 3), "no timeout");
    }
    let deployment = Deployment::new(rules());
    deployment.send(timeout(3), request()).await;
    assert_eq!(counted(&deployment), (1, 1), "a configured limit");
}

#[tokio::test(start_paused = true)]
async fn r106_nor_does_the_end_of_the_whole_request() {
    let deployment = Deployment::new(rules());
    let wish = with(Deadline::start(seconds(3)).unwrap());
    deployment.send(timeout(9), wish.clone()).await;
    assert_eq!(counted(&deployment), (1, 1), "it is not over");
    tokio::time::advance(seconds(3)).await;
    deployment.send(timeout(9), wish.clone()).await;
    assert_eq!(counted(&deployment), (1, 1));
    deployment.send(status(500), wish).await;
    assert_eq!(counted(&deployment), (2, 2), "a failure all the same");
}

#[tokio::test(start_paused = true)]
async fn r106_in_a_body_it_is_the_same() {
    for (wish, expected) in [(request(), (1, 1)), (wishes()[0].clone(), (0, 0))] {
        let deployment = Deployment::new(rules());
        let inner = tower::service_fn(|_: Request<()>| async {
            Ok::<_, Failure>(http::Response::new(Cut))
        });
        let layer = ziggurat_cooldown::CooldownLayer::new(deployment.breaker.clone());
        let response = tower::ServiceExt::oneshot(tower::Layer::layer(&layer, inner), wish);
        let mut body = response.await.unwrap().into_body();
        let failure = body.frame().await.unwrap().unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Timeout);
        // The inner one would go on failing.
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
        assert_eq!(counted(&deployment), expected);
    }
}

/// A body that is cut by a limit.
struct Cut;

impl Body for Cut {
    type Data = bytes::Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Failure>>> {
        std::task::Poll::Ready(Some(Err(cut(3))))
    }
}

#[tokio::test(start_paused = true)]
async fn the_caller_of_a_slow_body_is_not_judged() {
    let deployment = Deployment::new(rules());
    let frames = ScriptedBody::new().wait(Duration::from_secs(900)).data("a");
    deployment.send(body(frames), request()).await;
    deployment.call(fail(FailureKind::Connect)).await;
    assert_eq!(counted(&deployment), (2, 1));
    assert_eq!(deployment.phase(), Phase::Closed);
}

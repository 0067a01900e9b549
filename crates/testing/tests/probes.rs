//! The probes do what they say.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};
use tower::{BoxError, Service, ServiceExt};
use ziggurat_core::{Admit, FailureKind, Rejection};
use ziggurat_testing::{Guards, ScriptedBody, ScriptedError, ScriptedService, StrictProbe};

const SECOND: Duration = Duration::from_secs(1);

fn probe() -> StrictProbe<u8, u8, Infallible> {
    StrictProbe::new(Ok)
}

fn poll_ready<S: Service<u8>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_ready_probe_answers_and_counts() {
    let mut probe = probe().ready_after(1).answer_after(1);
    let tally = probe.tally();
    for _ in 0..2 {
        assert!(poll_ready(&mut probe).is_pending());
        assert!(poll_ready(&mut probe).is_ready());
        let future = probe.call(7);
        assert_eq!(tally.futures(), 1);
        assert_eq!(future.await, Ok(7));
        assert_eq!(tally.futures(), 0);
    }
    assert_eq!((tally.ready_polls(), tally.calls()), (4, 2));
}

#[test]
#[should_panic(expected = "without a `Ready`")]
fn an_unready_probe_panics() {
    drop(probe().call(1));
}

#[test]
#[should_panic(expected = "without a `Ready`")]
fn readiness_is_used_up_by_a_call() {
    let mut probe = probe();
    assert!(poll_ready(&mut probe).is_ready());
    drop(probe.call(1));
    drop(probe.call(1));
}

#[test]
#[should_panic(expected = "without a `Ready`")]
fn readiness_is_lost_on_clone() {
    let mut probe = probe();
    assert!(poll_ready(&mut probe).is_ready());
    drop(probe.clone().call(1));
}

#[test]
#[should_panic(expected = "without a `Ready`")]
fn pending_is_not_ready() {
    let mut probe = probe().ready_after(1);
    assert!(poll_ready(&mut probe).is_pending());
    drop(probe.call(1));
}

#[test]
fn a_probe_admits_unless_told_otherwise() {
    let rejection = Rejection::new(FailureKind::Region);
    assert_eq!(probe().admit(&1), Ok(()));
    assert_eq!(
        probe().rejecting(rejection.clone()).admit(&1),
        Err(rejection)
    );
}

#[tokio::test(start_paused = true)]
async fn a_scripted_service_plays_its_script_and_repeats_the_last() {
    let service = ScriptedService::<u8, u8, ScriptedError>::new()
        .err(ScriptedError::new("first"))
        .answer(|request| Ok(request + 1))
        .after(SECOND)
        .ok(9);
    assert_eq!(
        service.clone().oneshot(1).await,
        Err(ScriptedError::new("first"))
    );
    let start = Instant::now();
    assert_eq!(service.clone().oneshot(2).await, Ok(3));
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(service.clone().oneshot(3).await, Ok(9));
    assert_eq!(service.clone().oneshot(4).await, Ok(9));
    assert_eq!(service.take_requests(), [1, 2, 3, 4]);
    assert_eq!((service.calls(), service.futures()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn scripted_errors_can_be_boxed_or_impossible() {
    let boxed = ScriptedService::<u8, u8, BoxError>::new().err(ScriptedError::new("boxed"));
    for _ in 0..2 {
        assert!(
            boxed
                .clone()
                .oneshot(1)
                .await
                .unwrap_err()
                .is::<ScriptedError>()
        );
    }
    let never = ScriptedService::<u8, u8, Infallible>::new().ok(1).never();
    let mut waiting = Box::pin(never.clone().oneshot(1));
    timeout(SECOND, &mut waiting).await.unwrap_err();
    assert_eq!(never.futures(), 1);
    drop(waiting);
    assert_eq!(never.futures(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_scripted_body_yields_its_frames_in_time() {
    let trailers = HeaderMap::from_iter([("a".parse().unwrap(), "b".parse().unwrap())]);
    let mut body = ScriptedBody::new()
        .data("ab")
        .wait(SECOND)
        .data("c")
        .pending()
        .trailers(trailers.clone());
    let exact = |body: &ScriptedBody| body.size_hint().exact();
    assert_eq!((exact(&body), body.is_end_stream()), (Some(3), false));
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "ab"
    );
    let start = Instant::now();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "c"
    );
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!((exact(&body), body.is_end_stream()), (Some(0), false));
    assert_eq!(
        body.frame()
            .await
            .unwrap()
            .unwrap()
            .into_trailers()
            .unwrap(),
        trailers
    );
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_scripted_body_fails_hangs_and_lies_as_told() {
    let mut failing = ScriptedBody::new().error("broken").data("never");
    assert_eq!(
        failing.frame().await.unwrap().unwrap_err(),
        ScriptedError::new("broken")
    );
    assert!(failing.frame().await.is_none());

    timeout(SECOND, ScriptedBody::new().hang().frame())
        .await
        .unwrap_err();

    let silent = ScriptedBody::new().silent_end().unknown_size();
    assert!(!silent.is_end_stream());
    assert_eq!(
        (silent.size_hint().lower(), silent.size_hint().upper()),
        (0, None)
    );
    assert_eq!(
        ScriptedBody::new()
            .size(SizeHint::with_exact(9))
            .size_hint()
            .exact(),
        Some(9)
    );
}

#[test]
fn guards_are_counted_until_dropped() {
    let guards = Guards::new();
    let guard = guards.take();
    let clone = guard.clone();
    assert_eq!(guards.held(), 2);
    drop(guard);
    assert_eq!(guards.held(), 1);
    drop(clone);
    assert_eq!(guards.held(), 0);
}

#[test]
fn a_body_holds_its_guard_until_its_end() {
    let guards = Guards::new();
    let mut body = ScriptedBody::new().data("a").guard(guards.take());
    let mut poll = || {
        let frame: Poll<Option<Result<_, _>>> =
            Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        assert!(frame.is_ready());
    };
    poll();
    assert_eq!(guards.held(), 1);
    poll();
    assert_eq!(guards.held(), 0);
    let dropped = ScriptedBody::new().data(Bytes::new()).guard(guards.take());
    drop(dropped);
    assert_eq!(guards.held(), 0);
}

#[test]
fn debug_shows_no_data() {
    let shown = format!("{:?}", ScriptedBody::new().data("secret"));
    assert!(!shown.contains("secret"), "{shown}");
}

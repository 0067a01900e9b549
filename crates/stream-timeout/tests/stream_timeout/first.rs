//! The wait for the first content.

use std::time::Duration;

use http::{HeaderMap, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service as _};
use ziggurat_core::{DeploymentId, Failure, FailureKind};
use ziggurat_stream_timeout::{Limit, MAX_HELD};
use ziggurat_testing::{Guards, ScriptedBody};

use crate::support::{
    COMMENT, DONE, PING, ROLE, Service, TEXT, answering, ask, body, elapsed, events, limit, plain,
    read, seconds, streaming, with,
};

async fn fails(service: &Service) -> Failure {
    ask(limit(5), service, streaming()).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn the_response_comes_with_its_first_content_and_nothing_is_lost() {
    let start = Instant::now();
    let scripted = body().data(COMMENT).wait(seconds(1)).data(PING);
    let scripted = scripted.data(ROLE).wait(seconds(1)).data(TEXT);
    let service = answering(scripted.wait(seconds(1)).data(DONE)).after(seconds(1));
    let response = ask(limit(5), &service, streaming()).await.unwrap();
    assert_eq!(start.elapsed(), seconds(3));
    let mut body = task::spawn(response.into_body());
    // In the frames in which it came.
    for expected in [COMMENT, PING, ROLE, TEXT] {
        let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), expected);
    }
    let (rest, failure) = read(body.into_inner()).await;
    assert!(failure.is_none());
    assert_eq!((&*rest, start.elapsed()), (DONE, seconds(4)));
}

#[tokio::test(start_paused = true)]
async fn r101_comments_roles_and_lifecycle_do_not_end_the_wait() {
    let start = Instant::now();
    let lively = (0..9).fold(body().data(ROLE), |body, _| {
        body.wait(seconds(1)).data(COMMENT).data(PING)
    });
    let failure = fails(&answering(lively.data(TEXT))).await;
    assert_eq!(elapsed(&failure), (Limit::First, 5));
    assert_eq!(start.elapsed(), seconds(5));
}

#[tokio::test(start_paused = true)]
async fn r101_the_limit_begins_with_the_call_and_covers_the_head() {
    for service in [
        answering(body().hang()).after(seconds(3)),
        answering(body().wait(seconds(3)).data(TEXT)).after(seconds(3)),
        answering(body()).never(),
    ] {
        let mut timeout = limit(5).layer(service.clone());
        let call = timeout.call(streaming());
        tokio::time::advance(seconds(1)).await;
        let start = Instant::now();
        let failure = call.await.unwrap_err();
        assert_eq!(elapsed(&failure), (Limit::First, 5));
        assert_eq!(start.elapsed(), seconds(4));
        assert_eq!(service.futures(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_late_still_shows_what_it_brings() {
    // Without `LlmRequest`, only the head tells that it is a stream.
    let service = answering(body().data(TEXT)).after(seconds(9));
    ask(limit(5), &service, plain()).await.unwrap();
    let service = answering(body().data(ROLE).hang()).after(seconds(9));
    let start = Instant::now();
    let failure = ask(limit(5), &service, plain()).await.unwrap_err();
    assert_eq!(elapsed(&failure), (Limit::First, 5));
    assert_eq!(start.elapsed(), seconds(9));
}

#[tokio::test(start_paused = true)]
async fn content_that_is_there_is_never_lost_to_the_clock() {
    let mut timeout = limit(5).layer(answering(body().wait(seconds(1)).data(ROLE).data(TEXT)));
    let mut call = task::spawn(timeout.call(plain()));
    assert_pending!(call.poll());
    tokio::time::advance(seconds(60)).await;
    assert_ready_ok!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn r93b_a_stream_that_breaks_before_its_content_is_a_failed_call() {
    let scripted = || body().data(COMMENT).data(ROLE);
    let failure = fails(&answering(scripted().error("reset"))).await;
    assert_eq!(failure.kind(), FailureKind::Other);
    assert!(format!("{failure:?}").contains("reset"));

    // The leaf's own failure keeps its kind.
    let own = scripted()
        .error("reset")
        .map_err(|_| Failure::new(FailureKind::RateLimited));
    let mut response = Some(events(own));
    let service = tower::service_fn(move |_: http::Request<()>| {
        std::future::ready(Ok::<_, Failure>(response.take().unwrap()))
    });
    let failure = limit(5).layer(service).call(plain()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn d10_a_stream_that_ends_without_content_is_broken() {
    let trailers = HeaderMap::from_iter([("a".parse().unwrap(), "b".parse().unwrap())]);
    for scripted in [
        body(),
        body().data(COMMENT).data(ROLE),
        body().data(ROLE).trailers(trailers),
        // Half an event is none.
        body().data(TEXT.trim_end()),
        body().data(&TEXT[..TEXT.len() - 1]),
    ] {
        let failure = fails(&answering(scripted)).await;
        assert_eq!(failure.kind(), FailureKind::Disconnected);
        assert_eq!(failure.status(), 502);
    }
    // So is an empty body where a stream was asked for.
    let failure = fails(&Service::new().ok(Response::new(ScriptedBody::new().data("")))).await;
    assert_eq!(failure.kind(), FailureKind::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn failures_name_the_deployment() {
    for scripted in [body().error("reset"), body(), body().hang()] {
        let request = with(streaming(), DeploymentId::from("zephyr-1"));
        let failure = ask(limit(5), &answering(scripted), request)
            .await
            .unwrap_err();
        assert_eq!(failure.deployment(), Some(&"zephyr-1".into()));
    }
}

#[test]
fn no_timer_is_registered_if_content_is_there_at_once() {
    // Outside of a runtime, registering one panics.
    let mut timeout = limit(5).layer(answering(body().data(TEXT)));
    assert_ready_ok!(task::spawn(timeout.call(streaming())).poll());
}

#[tokio::test(start_paused = true)]
async fn zero_is_no_limit_but_the_response_is_held_all_the_same() {
    let scripted = || body().data(ROLE).wait(Duration::from_secs(1 << 20));
    ask(limit(0), &answering(scripted().data(TEXT)), streaming())
        .await
        .unwrap();
    let failure = ask(limit(0), &answering(scripted()), streaming())
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Disconnected);
    let forever = ziggurat_stream_timeout::StreamTimeoutLayer::new(Duration::MAX);
    ask(forever, &answering(scripted().data(TEXT)), streaming())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_than_the_limit() {
    let kib = || format!(":{}\n\n", "x".repeat(1021));
    let talks = |frames| (0..frames).fold(body(), |body, _| body.data(kib()));
    let most = MAX_HELD / 1024;
    let response = ask(limit(5), &answering(talks(most).hang()), plain()).await;
    let (text, failure) = read(response.unwrap().into_body()).await;
    assert_eq!(text.len(), most * 1024);
    assert_eq!(elapsed(&failure.unwrap()), (Limit::Idle, 5));
    let failure = ask(limit(5), &answering(talks(most / 2).hang()), plain()).await;
    assert_eq!(elapsed(&failure.unwrap_err()), (Limit::First, 5));
    // Empty frames take room, too.
    let empty = (0..MAX_HELD).fold(body(), |body, _| body.data(""));
    ask(limit(5), &answering(empty.hang()), plain())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn size_and_end_count_what_is_held() {
    let scripted = ScriptedBody::new().data(ROLE).data(TEXT);
    let response = ask(limit(5), &answering(scripted), plain()).await;
    let mut body = response.unwrap().into_body();
    for left in [ROLE.len() + TEXT.len(), TEXT.len(), 0] {
        assert_eq!(body.size_hint().exact(), Some(left as u64));
        assert_eq!(body.is_end_stream(), left == 0);
        assert_eq!(body.frame().await.is_some(), left > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn r107_dropping_the_call_drops_what_is_below_and_what_is_held() {
    let guards = Guards::new();
    let scripted = body().data(ROLE).wait(seconds(3)).data(TEXT).hang();
    let service = answering(scripted.guard(guards.take())).after(seconds(1));
    let script = guards.held();
    for polled in [0, 500, 2000, 4000] {
        let call = ask(limit(9), &service, plain());
        let result = tokio::time::timeout(Duration::from_millis(polled), call).await;
        assert_eq!(result.is_ok(), polled == 4000);
        drop(result);
        assert_eq!((service.futures(), guards.held()), (0, script));
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_dropped_at_once() {
    let guards = Guards::new();
    let mut timeout = limit(5).layer(answering(body().data(ROLE).hang().guard(guards.take())));
    let script = guards.held();
    let mut call = task::spawn(timeout.call(plain()));
    assert_pending!(call.poll());
    assert_eq!(guards.held(), script + 1);
    tokio::time::advance(seconds(5)).await;
    assert_ready_err!(call.poll());
    assert_eq!(guards.held(), script);
}

//! Streams that are held until they are complete.

use http::Response;
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::{Layer, Service as _, ServiceExt as _};
use ziggurat_core::FailureKind;
use ziggurat_stream_timeout::{Limit, MAX_WHOLE, StreamCommit, StreamTimeoutLayer};
use ziggurat_testing::{Guards, ScriptedBody};

use crate::support::{
    DONE, PING, ROLE, TEXT, answering, ask, body, elapsed, limit, read, seconds, streaming,
};

fn whole() -> StreamTimeoutLayer {
    limit(5).idle(seconds(2)).commit(StreamCommit::Complete)
}

#[tokio::test(start_paused = true)]
async fn the_response_comes_with_its_last_byte_and_nothing_is_lost() {
    let start = Instant::now();
    let scripted = body().data(ROLE).wait(seconds(4)).data(TEXT);
    let scripted = scripted.wait(seconds(1)).data(PING).data(DONE);
    let response = ask(whole(), &answering(scripted.wait(seconds(1))), streaming()).await;
    let body = response.unwrap().into_body();
    assert_eq!(start.elapsed(), seconds(6));
    let (text, failure) = read(body).await;
    assert_eq!(text, [ROLE, TEXT, PING, DONE].concat());
    assert!(failure.is_none());
    assert_eq!(start.elapsed(), seconds(6));
}

#[tokio::test(start_paused = true)]
async fn what_breaks_or_falls_silent_after_its_first_content_is_a_failed_call() {
    let broken = body().data(TEXT).wait(seconds(1)).error("reset");
    let failure = ask(whole(), &answering(broken), streaming())
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Other);
    let silent = body().data(TEXT).wait(seconds(1)).data(TEXT).hang();
    let failure = ask(whole(), &answering(silent), streaming())
        .await
        .unwrap_err();
    assert_eq!(elapsed(&failure), (Limit::Idle, 2));
    let slow = (0..9).fold(body(), |body, _| body.data(TEXT).wait(seconds(1)));
    let layer = whole().total(seconds(3));
    let failure = ask(layer, &answering(slow), streaming()).await.unwrap_err();
    assert_eq!(elapsed(&failure), (Limit::Total, 3));
    assert!(!failure.is_blameless());
}

#[tokio::test(start_paused = true)]
async fn more_than_can_be_held_is_handed_out() {
    let large = "x".repeat(MAX_WHOLE);
    let scripted = body().data(TEXT).data(large.clone()).hang();
    let response = ask(whole(), &answering(scripted), streaming())
        .await
        .unwrap();
    let (text, failure) = read(response.into_body()).await;
    assert_eq!(text.len(), TEXT.len() + large.len());
    assert_eq!(elapsed(&failure.unwrap()), (Limit::Idle, 2));
}

#[tokio::test(start_paused = true)]
async fn a_drop_while_it_is_held_frees_it() {
    let guards = Guards::new();
    let scripted = answering(ScriptedBody::new().data(TEXT).hang());
    let held = guards.clone();
    let service = scripted.map_response(move |response: Response<ScriptedBody>| {
        response.map(|body| body.guard(held.take()))
    });
    let mut service = whole().layer(service);
    std::future::poll_fn(|cx| service.poll_ready(cx))
        .await
        .unwrap();
    let mut call = task::spawn(service.call(streaming()));
    assert_pending!(call.poll());
    assert_eq!(guards.held(), 1);
    drop(call);
    assert_eq!(guards.held(), 0);
}

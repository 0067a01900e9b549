//! Unit tests of a stack of one's own, without a network and without waiting: the leaf follows a script, and the clock is
//! paused. tokio moves it on to the next timer as soon as nothing else is left to do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};
use ziggurat::prelude::*;
use ziggurat_testing::{Guards, ScriptedBody, ScriptedError, ScriptedService, contract};

type Leaf = ScriptedService<Request<Full<Bytes>>, Response<ScriptedBody>, ScriptedError>;

const LIMIT: Duration = Duration::from_secs(10);

/// The stack under test: one deployment, asked up to three times, ten seconds each.
fn stack(leaf: Leaf) -> BoxService<Full<Bytes>> {
    ServiceBuilder::new()
        .layer(BoxLayer::new())
        .layer(RetryLayer::new(2).backoff(Duration::from_secs(1), Duration::from_secs(8)))
        .layer(TimeoutLayer::new(LIMIT))
        .service(leaf)
}

fn answer(status: StatusCode, body: ScriptedBody) -> Response<ScriptedBody> {
    Response::builder().status(status).body(body).unwrap()
}

fn hello() -> Response<ScriptedBody> {
    answer(StatusCode::OK, ScriptedBody::new().data("hello"))
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_asked_for_is_kept() {
    let mut busy = answer(StatusCode::TOO_MANY_REQUESTS, ScriptedBody::new());
    busy.headers_mut()
        .insert("retry-after", "30".parse().unwrap());
    let leaf = Leaf::new().ok(busy).ok(hello());

    let start = Instant::now();
    let response = stack(leaf.clone())
        .oneshot(Request::default())
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(start.elapsed().as_secs(), 30); // none of which has passed
    assert_eq!(leaf.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_leaf_that_hangs_is_given_up_and_asked_again() {
    let leaf = Leaf::new().ok(hello()).never().ok(hello());

    let start = Instant::now();
    let response = stack(leaf.clone())
        .oneshot(Request::default())
        .await
        .unwrap();
    let body = response.into_body().collect().await.unwrap();

    assert_eq!(body.to_bytes(), "hello");
    assert!(start.elapsed() >= LIMIT);
    assert_eq!((leaf.calls(), leaf.futures()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_ends_with_a_timeout_and_frees_what_it_held() {
    let guards = Guards::new();
    let body = ScriptedBody::new().data("hel").hang().guard(guards.take());
    let leaf = Leaf::new().answer(move |_| Ok(answer(StatusCode::OK, body.clone())));

    let response = stack(leaf).oneshot(Request::default()).await.unwrap();
    let failure = response.into_body().collect().await.unwrap_err();

    assert_eq!(failure.kind(), FailureKind::Timeout);
    assert_eq!(guards.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_stops_everything() {
    let leaf = Leaf::new().ok(hello()).never();
    let call = stack(leaf.clone()).oneshot(Request::default());

    tokio::time::timeout(Duration::from_secs(3), call)
        .await
        .unwrap_err();

    assert_eq!((leaf.calls(), leaf.futures()), (1, 0));
}

/// A layer of one's own is put through the same checks as those of ziggurat.
#[tokio::test(start_paused = true)]
async fn a_stack_keeps_the_contract() {
    let layers = ServiceBuilder::new()
        .layer(RetryLayer::new(2))
        .layer(TimeoutLayer::new(LIMIT))
        .into_inner();
    contract::all(&layers, &contract::request()).await;
    contract::wire(&layers, &contract::request()).await;
}

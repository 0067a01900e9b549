//! All attempts of a request in one group share one patience.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::time::Duration;

use support::{Leaf, endpoint, refused, request};
use tokio::time::Instant;
use tower::ServiceExt;
use ziggurat_balance::{Balance, Endpoint};
use ziggurat_core::{Failure, FailureKind, FallbackReason, Rejection};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn r126_all_attempts_share_the_wait_for_those_that_rest() {
    // It never returns, whatever it says.
    let rejection = Rejection::new(FailureKind::CoolingDown).with_retry_after(2 * SECOND);
    let leaf = Leaf::new().rejecting(rejection);
    let balance = Balance::new([Endpoint::new("a", leaf)]).cooldown_wait(5 * SECOND);
    let (tried, request) = request();
    let start = Instant::now();
    for _ in 0..3 {
        refused(&balance, request.clone()).await;
        assert_eq!(start.elapsed().as_secs(), 4);
    }
    // Another group has its own.
    tried.hop(
        FallbackReason::Error,
        Failure::new(FailureKind::CoolingDown),
    );
    refused(&balance, request).await;
    assert_eq!(start.elapsed().as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn r51_all_attempts_share_the_wait_for_a_place() {
    let endpoint = endpoint("a").max_parallel_requests(1);
    let balance = Balance::new([endpoint]).max_parallel_wait(5 * SECOND);
    let held = balance
        .clone()
        .oneshot(http::Request::new(()))
        .await
        .unwrap();
    let (_, request) = request();
    let start = Instant::now();
    let free = async {
        tokio::time::sleep(3 * SECOND).await;
        drop(held);
    };
    let (answer, ()) = tokio::join!(balance.clone().oneshot(request.clone()), free);
    // The first attempt has its place after 3 s, and the next one finds two more seconds.
    let held = answer.unwrap();
    refused(&balance, request.clone()).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    refused(&balance, request).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    drop(held);
}

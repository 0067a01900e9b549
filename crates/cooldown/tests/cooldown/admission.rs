//! What is said to callers, and to whoever chooses among several deployments.

use std::{error::Error as _, time::Duration};

use http::StatusCode;
use tokio::time::Instant;
use tower::Layer;
use ziggurat_cooldown::{CooldownLayer, CoolingDown};
use ziggurat_core::{Admit, DeploymentId, FailureKind, LastResort, Rejection};

use crate::support::{Deployment, fail, limited, ok, request, rules, seconds, status, with};

#[tokio::test(start_paused = true)]
async fn r126_the_rejection_tells_the_time_that_remains() {
    let deployment = Deployment::new(rules());
    assert_eq!(deployment.admit(), Ok(()));
    deployment.call(limited("20")).await;
    tokio::time::advance(Duration::from_millis(12_345)).await;
    assert_eq!(
        deployment.admit(),
        Err(Rejection::new(FailureKind::CoolingDown)
            .with_retry_after(Duration::from_millis(7_655))
            .with_last_status(StatusCode::TOO_MANY_REQUESTS))
    );
    tokio::time::advance(Duration::from_micros(7_654_500)).await;
    let wait = deployment.admit().unwrap_err().retry_after();
    assert_eq!(wait, Some(Duration::from_millis(1)), "at least 1 ms");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(deployment.admit(), Ok(()), "the trial");
}

#[tokio::test(start_paused = true)]
async fn its_own_answer_comes_before_the_inner_one() {
    let deployment = Deployment::new(rules());
    let inner = Rejection::new(FailureKind::Region);
    let probe = ziggurat_testing::StrictProbe::<http::Request<()>, (), ()>::new(|_| Ok(()));
    let layer = CooldownLayer::new(deployment.breaker.clone());
    let service = layer.layer(probe.rejecting(inner.clone()));
    assert_eq!(service.admit(&request()), Err(inner));
    deployment.cooling().cool_for(seconds(5));
    let rejection = service.admit(&request()).unwrap_err();
    assert_eq!(rejection.kind(), FailureKind::CoolingDown);
}

#[tokio::test(start_paused = true)]
async fn the_failure_names_the_wait_and_the_last_status() {
    let deployment = Deployment::new(rules());
    deployment.call(limited("20")).await;
    tokio::time::advance(Duration::from_millis(500)).await;
    let request = with(DeploymentId::from("zephyr-1"));
    let failure = deployment.head(ok(), request).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "cooling down after status 429, try again in 20 s"
    );
    assert_eq!(failure.kind(), FailureKind::CoolingDown);
    assert_eq!(failure.status(), 429);
    assert_eq!(failure.retry_after(), Some(Duration::from_millis(19_500)));
    assert_eq!(failure.deployment(), Some(&"zephyr-1".into()));
    let source = failure.source().unwrap().downcast_ref::<CoolingDown>();
    let source = source.unwrap();
    assert_eq!(source.remaining(), failure.retry_after());
    assert_eq!(source.last_status(), Some(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(source.to_string(), "it rests for another 19.5 s");
}

#[tokio::test(start_paused = true)]
async fn without_a_status_the_failure_names_the_kind() {
    let deployment = Deployment::new(rules().allowed_fails(0));
    deployment.cooling().cool_for(seconds(1));
    let failure = deployment.head(ok(), request()).await.unwrap_err();
    assert_eq!(failure.to_string(), "cooling down, try again in 1 s");
    deployment
        .send(fail(FailureKind::Connect), with(LastResort))
        .await;
    let failure = deployment.head(ok(), request()).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "cooling down (connecting to the upstream failed), try again in 5 s"
    );
    assert_eq!(deployment.admit().unwrap_err().last_status(), None);
}

#[tokio::test(start_paused = true)]
async fn while_the_trial_runs_others_are_told_to_come_back_soon() {
    let deployment = Deployment::new(rules());
    deployment.expire().await;
    let trial = deployment.head(ok(), request()).await.unwrap();
    let rejection = deployment.admit().unwrap_err();
    assert_eq!(rejection.kind(), FailureKind::CoolingDown);
    assert_eq!(rejection.retry_after(), Some(seconds(1)));
    let failure = deployment.head(ok(), request()).await.unwrap_err();
    assert_eq!(failure.retry_after(), Some(seconds(1)));
    let source = failure.source().unwrap();
    assert_eq!(
        source.to_string(),
        "another call tries whether it works again"
    );
    drop(trial);
    assert_eq!(deployment.admit(), Ok(()));
}

fn offering() -> Deployment {
    Deployment::with(rules().allowed_fails(0), |layer| layer.last_resort(true))
}

#[tokio::test(start_paused = true)]
async fn r128_d8_a_last_resort_is_offered_only_after_failures_that_may_pass() {
    for code in [500, 503, 408] {
        let deployment = offering();
        tokio::time::advance(seconds(3)).await;
        let failed = Instant::now();
        deployment.call(status(code)).await;
        tokio::time::advance(seconds(1)).await;
        let offered = deployment.admit().unwrap_err().last_resort();
        assert_eq!(offered, Some(failed), "{code}");
    }
    for code in [401, 402, 404, 429] {
        let deployment = offering();
        deployment.call(status(code)).await;
        let offered = deployment.admit().unwrap_err().last_resort();
        assert_eq!(offered, None, "{code}");
        // Another failure since then changes nothing, while the cooldown is that one's.
        deployment.send(status(500), with(LastResort)).await;
        assert_eq!(deployment.rests(), 5.0);
        assert_eq!(deployment.admit().unwrap_err().last_resort(), None);
    }
    // The default.
    let deployment = Deployment::new(rules().allowed_fails(0));
    deployment.call(status(500)).await;
    assert_eq!(deployment.admit().unwrap_err().last_resort(), None);
}

#[tokio::test(start_paused = true)]
async fn r129_a_last_resort_may_be_offered_after_any_failure() {
    for code in [500, 401, 402, 404, 429] {
        let deployment = Deployment::with(rules().allowed_fails(0), |layer| {
            layer.last_resort(true).last_resort_after_any_failure(true)
        });
        deployment.call(status(code)).await;
        let offered = deployment.admit().unwrap_err().last_resort();
        assert_eq!(offered, Some(Instant::now()), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn r128_one_that_someone_else_sent_away_is_offered_too() {
    let deployment = offering();
    deployment.cooling().cool_for(seconds(5));
    assert!(deployment.admit().unwrap_err().last_resort().is_some());
}

#[tokio::test(start_paused = true)]
async fn r128_a_call_of_last_resort_passes_and_counts() {
    let deployment = offering();
    deployment.call(status(500)).await;
    let last_resort = || with(LastResort);
    assert_eq!(deployment.service.admit(&last_resort()), Ok(()));
    assert_eq!(deployment.send(ok(), last_resort()).await, None);
    assert_eq!(deployment.breaker.calls(), 2);
    assert_eq!(deployment.rests(), 5.0, "it is not the trial");
    tokio::time::advance(seconds(2)).await;
    deployment.send(status(500), last_resort()).await;
    assert_eq!(deployment.rests(), 5.0, "the clock begins anew");

    // Beside a trial, too; and it is the trial itself if it comes first.
    deployment.expire().await;
    let trial = deployment.head(ok(), last_resort()).await.unwrap();
    assert!(deployment.breaker.snapshot().phase == ziggurat_core::vitals::Phase::Trial);
    assert_eq!(deployment.send(ok(), last_resort()).await, None);
    drop(trial);
}

//! How long a cooldown lasts.

use std::time::Duration;

use ziggurat_core::{Failure, FailureKind, LastResort, vitals::Phase};

use crate::support::{Deployment, limited, ok, rules, seconds, status, with};

#[tokio::test(start_paused = true)]
async fn r119_retry_after_counts_up_to_a_limit_and_never_below_the_configured_time() {
    for (header, expected) in [
        ("20", 20.0),
        ("300", 300.0),
        ("86400", 300.0),
        ("1", 5.0),
        ("0", 5.0),
        ("soon", 5.0),
    ] {
        let deployment = Deployment::new(rules());
        deployment.call(limited(header)).await;
        assert_eq!(deployment.rests(), expected, "{header}");
    }
    let deployment = Deployment::new(rules().cooldown_time(seconds(30)));
    deployment.call(limited("20")).await;
    assert_eq!(deployment.rests(), 30.0);
    let deployment = Deployment::new(rules().max_retry_after(seconds(10)));
    deployment.call(limited("20")).await;
    assert_eq!(deployment.rests(), 10.0);
    let deployment = Deployment::new(rules().max_retry_after(seconds(0)));
    deployment.call(limited("20")).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn r119_any_failure_may_ask_for_a_wait() {
    let deployment = Deployment::new(rules().allowed_fails(0));
    let overloaded = Failure::new(FailureKind::Server).with_retry_after(seconds(45));
    deployment.call(Err(overloaded)).await;
    assert_eq!(deployment.rests(), 45.0);
}

#[tokio::test(start_paused = true)]
async fn r120_a_second_trigger_restarts_the_clock_and_never_shortens() {
    let deployment = Deployment::new(rules());
    deployment.call(limited("20")).await;
    tokio::time::advance(seconds(2)).await;
    // As well from calls that were under way when it began.
    let last_resort = || with(LastResort);
    deployment.send(status(429), last_resort()).await;
    assert_eq!(deployment.rests(), 18.0);
    deployment.send(limited("30"), last_resort()).await;
    assert_eq!(deployment.rests(), 30.0);
    tokio::time::advance(seconds(28)).await;
    deployment.send(status(401), last_resort()).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn r133_the_time_grows_only_if_told_so() {
    for (max, expected) in [
        (0, [5.0, 5.0, 5.0, 5.0, 5.0, 5.0]),
        (60, [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]),
        (3, [5.0, 5.0, 5.0, 5.0, 5.0, 5.0]),
    ] {
        let deployment = Deployment::new(rules().allowed_fails(0).max_time(seconds(max)));
        for rest in expected {
            deployment.call(status(500)).await;
            assert_eq!(deployment.rests(), rest);
            deployment.expire().await;
        }
        assert_eq!(deployment.breaker.snapshot().strikes, 5);
        // A success, and it begins anew.
        assert_eq!(deployment.call(ok()).await, None);
        deployment.call(status(500)).await;
        assert_eq!(deployment.rests(), 5.0);
    }
}

#[tokio::test(start_paused = true)]
async fn many_strikes_do_not_overflow() {
    let deployment = Deployment::new(rules().allowed_fails(0).max_time(seconds(3600)));
    for _ in 0..100 {
        deployment.call(status(500)).await;
        deployment.expire().await;
    }
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 3600.0);
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_put_there_by_someone_else_is_kept_to() {
    let deployment = Deployment::new(rules());
    deployment.cooling().cool_for(Duration::from_millis(1500));
    let rejection = deployment.admit().unwrap_err();
    assert_eq!(rejection.retry_after(), Some(Duration::from_millis(1500)));
    assert_eq!(rejection.last_status(), None);
    deployment.expire().await;
    assert_eq!(deployment.call(ok()).await, None);
    assert_eq!(deployment.phase(), Phase::Closed);
}

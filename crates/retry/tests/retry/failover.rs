//! Untried deployments beyond the number of retries.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{
    Attempt, Deadline, Failure, FailureKind, Tried,
    overrides::{Fallbacks, MaxRetries},
};

use crate::{
    budget::Purse,
    support::{Group, ahead, exact, member, request, status, with},
};

const ALL: [&str; 4] = ["a", "b", "c", "d"];

fn broken(code: u16) -> Group {
    Group::new(ALL.map(member), move |_, _| status(code))
}

#[tokio::test(start_paused = true)]
async fn r71_all_untried_ones_are_asked_after_the_retries() {
    for retries in 0..4 {
        let group = broken(500);
        let _ = group
            .ask(&exact(retries).exhaust_untried(true), request())
            .await;
        assert_eq!(group.visits(), ALL);
        let group = broken(500);
        let _ = group.ask(&exact(retries), request()).await;
        assert_eq!(group.visits().len(), 1 + retries as usize);
    }
    // Retries on top of that are the counted ones.
    let group = broken(500);
    let _ = group.ask(&exact(5).exhaust_untried(true), request()).await;
    assert_eq!(group.visits().len(), 6);
    // A request's 0 is a number of retries like any other.
    let group = broken(500);
    let _ = group
        .ask(&exact(5).exhaust_untried(true), with(MaxRetries(0)))
        .await;
    assert_eq!(group.visits(), ALL);
}

#[tokio::test(start_paused = true)]
async fn r71_the_other_limits_hold() {
    let layer = exact(0).exhaust_untried(true);
    let group = broken(400);
    let _ = group.ask(&layer, request()).await;
    assert_eq!(group.visits(), ["a"], "all would answer alike");

    let group = broken(500);
    let _ = group
        .ask(&layer.clone().max_attempts_per_request(2), request())
        .await;
    assert_eq!(group.visits(), ["a", "b"]);

    let group = broken(500);
    let _ = group
        .ask(&layer.clone().budget(Purse::with(1)), request())
        .await;
    assert_eq!(group.visits(), ["a", "b"]);

    let group = Group::new(ALL.map(member), |_, _| status(500).after(1.0));
    let deadline = Deadline::start(Duration::from_millis(1500)).unwrap();
    let _ = group.ask(&layer, with(deadline)).await;
    assert_eq!(group.visits(), ["a", "b"]);

    let mut wishes = Fallbacks::default();
    wishes.disabled = true;
    let group = broken(500);
    let _ = group.ask(&layer, with(wishes)).await;
    assert_eq!(group.visits(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn r71_the_group_is_exhausted_before_another_is_asked() {
    let group = broken(500);
    let _ = group
        .ask(&exact(1).exhaust_untried(true), with(ahead()))
        .await;
    assert_eq!(group.visits(), ALL);
}

/// One of two has no place for the request, for as long as that may last: the other one is asked instead of it.
#[tokio::test(start_paused = true)]
async fn who_never_has_a_place_does_not_prolong_the_retries() {
    for retries in 0..3 {
        let group = service_fn(|request: Request<()>| async move {
            let tried = request.extensions().get::<Tried>().unwrap();
            assert!(tried.attempts() < 10, "it goes on for ever");
            let mut attempt = Attempt::start();
            attempt.deployment = Some("a".into());
            (attempt.untried, attempt.untried_elsewhere) = (1, 1);
            let _number = tried.begin(attempt);
            Ok::<_, Failure>(Response::builder().status(500).body(()).unwrap())
        });
        let tried = Tried::new();
        let layer = exact(retries).exhaust_untried(true);
        let answer = layer.layer(group).oneshot(with(tried.clone())).await;
        assert_eq!(answer.unwrap().status(), 500);
        // One more, in the hope for the one that was not tried.
        assert_eq!(tried.attempts(), (retries as usize).max(1) + 1);
    }
}

/// The other one has no place any more either, so that no attempt is made at all.
#[tokio::test(start_paused = true)]
async fn a_group_without_a_place_does_not_prolong_the_retries() {
    for retries in 0..3 {
        let calls = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&calls);
        let group = service_fn(move |request: Request<()>| {
            let call = seen.fetch_add(1, Ordering::Relaxed);
            assert!(call < 10, "it goes on for ever");
            let tried = request.extensions().get::<Tried>().unwrap();
            if call == 0 {
                let mut attempt = Attempt::start();
                attempt.deployment = Some("a".into());
                (attempt.untried, attempt.untried_elsewhere) = (1, 1);
                let _number = tried.begin(attempt);
            }
            let failure = Failure::new(FailureKind::RateLimited).with_unsent();
            async { Err::<Response<()>, _>(failure) }
        });
        let layer = exact(retries).exhaust_untried(true);
        assert!(layer.layer(group).oneshot(request()).await.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), retries.max(1) + 1);
    }
}

//! The cooldown of a deployment, as everyone who shares its vital signs sees it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::time::{Instant, advance};
use ziggurat_core::{
    FailureKind, Vitals,
    vitals::{Change, Phase, Trial},
};

const SERVER: FailureKind = FailureKind::Server;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn vitals() -> Arc<Vitals> {
    Arc::new(Vitals::new())
}

#[tokio::test(start_paused = true)]
async fn it_begins_closed() {
    let vitals = vitals();
    let cooling = vitals.cooling();
    assert_eq!(cooling.phase(), Phase::Closed);
    assert_eq!(cooling.remaining(), None);
    assert_eq!(cooling.until(), None);
    assert_eq!(cooling.recovered(), None);
    assert_eq!(cooling.last_failure(), None);
    assert_eq!(cooling.cause(), None);
    assert!(Trial::reserve(&vitals).is_none());
}

#[tokio::test(start_paused = true)]
async fn it_rests_to_the_end_and_waits_for_its_trial() {
    let vitals = vitals();
    let cooling = vitals.cooling();
    assert_eq!(cooling.cool_for(seconds(5)), Change::Began);
    let until = Instant::now() + seconds(5);
    assert_eq!(cooling.until(), Some(until));
    advance(Duration::from_millis(4_999)).await;
    assert_eq!(cooling.remaining(), Some(Duration::from_millis(1)));
    assert!(Trial::reserve(&vitals).is_none());
    advance(Duration::from_millis(1)).await;
    assert_eq!(cooling.phase(), Phase::Waiting);
    assert_eq!(cooling.remaining(), None);
    assert_eq!(cooling.until(), Some(until), "its end is remembered");
}

#[tokio::test(start_paused = true)]
async fn a_rest_is_rounded_up() {
    let vitals = vitals();
    vitals.cooling().cool_for(Duration::from_nanos(1));
    assert_eq!(vitals.cooling().remaining(), Some(Duration::from_millis(1)));
}

#[tokio::test(start_paused = true)]
async fn another_trigger_prolongs_and_never_shortens() {
    let vitals = vitals();
    let cooling = vitals.cooling();
    let status = Some(StatusCode::TOO_MANY_REQUESTS);
    let limited = cooling.cool(FailureKind::RateLimited, status, |_| seconds(9));
    assert_eq!(limited, Change::Began);
    assert_eq!(
        cooling.cool(SERVER, None, |_| seconds(5)),
        Change::Unchanged
    );
    assert_eq!(cooling.remaining(), Some(seconds(9)));
    assert_eq!(cooling.cause(), Some(FailureKind::RateLimited));
    advance(seconds(6)).await;
    assert_eq!(cooling.cool(SERVER, None, |_| seconds(5)), Change::Extended);
    assert_eq!(cooling.remaining(), Some(seconds(5)));
    assert_eq!(cooling.cause(), Some(SERVER));
    assert_eq!(cooling.cool_for(Duration::ZERO), Change::Unchanged);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_is_long() {
    let vitals = vitals();
    vitals.cooling().cool_for(Duration::MAX);
    let years = seconds(30 * 366 * 24 * 60 * 60);
    assert!(vitals.cooling().remaining().unwrap() > years);
}

#[tokio::test(start_paused = true)]
async fn a_successful_trial_ends_it() {
    let vitals = vitals();
    let cooling = vitals.cooling();
    cooling.cool(SERVER, None, |_| seconds(5));
    advance(seconds(6)).await;
    let trial = Trial::reserve(&vitals).unwrap();
    assert_eq!(cooling.phase(), Phase::Trial);
    assert!(Trial::reserve(&vitals).is_none());
    assert!(trial.succeed());
    assert_eq!(cooling.phase(), Phase::Closed);
    assert_eq!(cooling.recovered(), Some(Instant::now()));
    assert_eq!(cooling.cause(), None);
    assert_eq!(cooling.cool_for(seconds(1)), Change::Began);
    assert_eq!(cooling.recovered(), None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_trial_begins_another_and_is_a_strike() {
    let vitals = vitals();
    let cooling = vitals.cooling();
    cooling.cool_for(seconds(1));
    for strikes in 1..4 {
        advance(seconds(60)).await;
        let trial = Trial::reserve(&vitals).unwrap();
        let change = trial.fail(SERVER, None, |strikes| seconds(10 * u64::from(strikes)));
        assert_eq!(change, Change::Reopened);
        assert_eq!(cooling.remaining(), Some(seconds(10 * strikes)));
        assert_eq!(u64::from(cooling.snapshot().strikes), strikes);
    }
    advance(seconds(60)).await;
    assert!(Trial::reserve(&vitals).unwrap().succeed());
    assert_eq!(cooling.snapshot().strikes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_trial_is_given_back() {
    let vitals = vitals();
    vitals.cooling().cool_for(seconds(1));
    advance(seconds(1)).await;
    drop(Trial::reserve(&vitals).unwrap());
    assert_eq!(vitals.cooling().phase(), Phase::Waiting);
    assert!(Trial::reserve(&vitals).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_that_began_during_the_trial_goes_on() {
    let vitals = vitals();
    let cooling = vitals.cooling();
    cooling.cool_for(seconds(1));
    advance(seconds(1)).await;
    let trial = Trial::reserve(&vitals).unwrap();
    assert_eq!(cooling.cool(SERVER, None, |_| seconds(5)), Change::Reopened);
    assert_eq!(cooling.phase(), Phase::Cooling(seconds(5)));
    advance(seconds(5)).await;
    assert_eq!(cooling.phase(), Phase::Trial, "it still runs");
    assert!(Trial::reserve(&vitals).is_none());
    assert!(!trial.succeed());
    assert_eq!(cooling.phase(), Phase::Waiting);

    let trial = Trial::reserve(&vitals).unwrap();
    cooling.cool_for(seconds(9));
    assert_eq!(trial.fail(SERVER, None, |_| seconds(5)), Change::Unchanged);
    assert_eq!(cooling.remaining(), Some(seconds(9)));
    assert_eq!(cooling.snapshot().strikes, 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_remembered() {
    let vitals = vitals();
    let cooling = vitals.cooling();
    advance(seconds(3)).await;
    let kinds = [
        (FailureKind::BadRequest, None),
        (FailureKind::Other, Some(StatusCode::BAD_GATEWAY)),
        (SERVER, Some(StatusCode::from_u16(999).unwrap())),
    ];
    for (kind, status) in kinds {
        cooling.fail(kind, status);
        let seen = cooling.snapshot();
        assert_eq!((seen.last_kind, seen.last_status), (Some(kind), status));
        assert_eq!(cooling.last_status(), status);
        assert_eq!(cooling.last_kind(), Some(kind));
        assert_eq!(cooling.last_failure(), Some(Instant::now()));
    }
    assert_eq!(cooling.phase(), Phase::Closed);
}

/// Real threads and the real clock: each opening has one trial, however many ask for it.
#[test]
fn of_many_at_once_one_gets_the_trial() {
    let vitals = vitals();
    let rounds = 500;
    for _ in 0..rounds {
        vitals.cooling().cool_for(Duration::from_nanos(1));
        while vitals.cooling().phase() != Phase::Waiting {
            std::hint::spin_loop();
        }
        let (running, given) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (vitals, running, given) = (&vitals, &running, &given);
                scope.spawn(move || {
                    for turn in 0..20 {
                        let Some(trial) = Trial::reserve(vitals) else {
                            continue;
                        };
                        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                        given.fetch_add(1, Ordering::SeqCst);
                        running.fetch_sub(1, Ordering::SeqCst);
                        match (thread + turn) % 3 {
                            0 => assert!(trial.succeed()),
                            _ => drop(trial),
                        }
                    }
                });
            }
        });
        assert!(given.into_inner() > 0);
        if let Some(trial) = Trial::reserve(&vitals) {
            assert!(trial.succeed());
        }
        assert_eq!(vitals.cooling().phase(), Phase::Closed);
    }
}

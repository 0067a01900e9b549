//! What is counted of a deployment.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use tokio::time::advance;
use ziggurat_core::{
    Vitals,
    vitals::{InFlight, Limits, Load},
};

#[tokio::test(start_paused = true)]
async fn a_window_opens_with_its_first_request() {
    let load = Load::default();
    advance(Duration::from_secs(45)).await;
    assert_eq!(load.used().ends_in, Duration::ZERO);
    load.count(10);
    advance(Duration::from_millis(59_999)).await;
    let used = load.used();
    assert_eq!((used.requests, used.tokens), (1, 10));
    assert_eq!(used.ends_in, Duration::from_millis(1));
    advance(Duration::from_millis(1)).await;
    assert_eq!(load.used().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn settling_counts_for_its_own_window_only() {
    let load = Load::default();
    let first = load.count(100);
    load.settle(first, 100, 30);
    assert_eq!(load.used().tokens, 30);
    advance(Load::WINDOW).await;
    let second = load.count(5);
    load.settle(first, 100, 900);
    assert_eq!((load.used().tokens, first == second), (5, false));
}

#[tokio::test(start_paused = true)]
async fn the_last_ten_make_the_mean() {
    let load = Load::default();
    assert_eq!(load.mean_latency(false), None);
    for seconds in 1..=12 {
        load.answered(Duration::from_secs(seconds), true, Some(7));
    }
    advance(Duration::from_secs(2)).await;
    let (mean, age) = load.mean_latency(true).unwrap();
    assert_eq!(
        (mean, age),
        (Duration::from_millis(7_500), Duration::from_secs(2))
    );
    assert_eq!(
        load.mean_latency(false),
        load.mean_latency(true),
        "better than nothing"
    );
    load.answered(Duration::from_secs(8), false, Some(4));
    assert_eq!(load.snapshot().plain_latency, Some(Duration::from_secs(2)));
}

#[test]
fn threads_never_exceed_a_cap_or_a_limit() {
    let vitals = Arc::new(Vitals::new());
    let limits = Limits::new(Some(500), None);
    let counted: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut counted = 0;
                    for _ in 0..1000 {
                        let place = InFlight::try_enter(&vitals, 2);
                        assert!(vitals.load().in_flight() <= 2);
                        counted += usize::from(vitals.load().try_count(limits, 1).is_ok());
                        drop(place);
                    }
                    counted
                })
            })
            .collect();
        workers.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(counted, 500);
    assert_eq!(vitals.load().in_flight(), 0);
}

proptest! {
    #[test]
    fn windows_are_those_of_a_simple_model(steps in prop::collection::vec((0..40_000_u64, 0..50_u64), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let load = Load::default();
            let limits = Limits::new(Some(3), Some(100));
            let (mut now, mut start, mut requests, mut tokens) = (0, None, 0, 0);
            for (wait, more) in steps {
                advance(Duration::from_millis(wait)).await;
                now += wait;
                if start.is_none_or(|start| now >= start + 60_000) {
                    (start, requests, tokens) = (Some(now), 0, 0);
                }
                let fits = requests < 3 && (tokens + more <= 100 || tokens == 0);
                prop_assert_eq!(load.has_room(limits, more).is_ok(), fits);
                prop_assert_eq!(load.try_count(limits, more).is_ok(), fits);
                if fits {
                    requests += 1;
                    tokens += more;
                }
                prop_assert_eq!((load.used().requests, load.used().tokens), (requests, tokens));
            }
            Ok(())
        })?;
    }
}

//! Deployments that belong together, and one that belongs to several groups.

use std::{f64::consts::FRAC_1_SQRT_2, sync::Arc};

use tower::{Layer, Service as _};
use ziggurat_cooldown::{CooldownLayer, Group};
use ziggurat_core::{Failure, FailureKind, Vitals, vitals::Phase};

use crate::support::{Deployment, Inner, ok, request, rules, seconds, status};

fn group(count: usize, max_share: f64) -> Vec<Deployment> {
    let vitals: Vec<_> = (0..count).map(|_| Arc::new(Vitals::new())).collect();
    let group = Group::new(vitals.clone(), max_share);
    let of = |vitals| {
        Deployment::of(vitals, rules().allowed_fails(0), |layer| {
            layer.group(group.clone())
        })
    };
    vitals.into_iter().map(of).collect()
}

/// Lets all fail, and returns how many are away.
async fn away(group: &[Deployment]) -> usize {
    for deployment in group {
        deployment.call(status(500)).await;
    }
    let away = |deployment: &&Deployment| deployment.phase() != Phase::Closed;
    group.iter().filter(away).count()
}

#[tokio::test(start_paused = true)]
async fn no_more_than_a_share_of_a_group_is_away() {
    for (count, share, expected) in [
        (4, 1.0, 4),
        (4, 0.75, 3),
        (4, 0.5, 2),
        (4, 0.49, 1),
        (4, 0.25, 1),
        (4, 0.2, 0),
        (4, 0.0, 0),
        (4, -1.0, 0),
        (4, 9.0, 4),
        (4, f64::NAN, 4),
        (3, 0.5, 1),
        (10, FRAC_1_SQRT_2, 7),
        (1, 0.5, 0),
        (1, 1.0, 1),
    ] {
        assert_eq!(
            away(&group(count, share)).await,
            expected,
            "{share} of {count}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_its_trial_is_away_and_may_fail_it() {
    let group = group(2, 0.5);
    let [a, b] = &group[..] else { unreachable!() };
    a.call(status(500)).await;
    a.expire().await;
    b.call(status(500)).await;
    assert_eq!(b.phase(), Phase::Closed);
    assert_eq!(b.call(ok()).await, None);
    a.call(status(500)).await;
    assert_eq!(a.rests(), 5.0);
    a.expire().await;
    assert_eq!(a.call(ok()).await, None);
    b.call(status(500)).await;
    assert_eq!(b.rests(), 5.0, "now there is room");
    a.call(status(401)).await;
    assert_eq!(a.phase(), Phase::Closed, "whatever the reason");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_away_may_stay_so_for_longer() {
    let group = group(4, 0.25);
    group[0].call(status(500)).await;
    // Someone else takes away one too many.
    group[1].cooling().cool_for(seconds(60));
    tokio::time::advance(seconds(3)).await;
    let last_resort = crate::support::with(ziggurat_core::LastResort);
    group[0].send(status(500), last_resort).await;
    assert_eq!(group[0].rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn the_layers_of_one_deployment_count_together() {
    let deployment = Deployment::new(rules().allowed_fails(2));
    let failing = Inner::new().err(Failure::new(FailureKind::Server));
    let mut other = CooldownLayer::new(deployment.breaker.clone()).layer(failing);
    deployment.calls(2, status(500)).await;
    other.call(request()).await.unwrap_err();
    assert_eq!(deployment.rests(), 5.0);
    assert_eq!(deployment.call(ok()).await, Some(FailureKind::CoolingDown));
    let failure = other.call(request()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::CoolingDown);
}

/// Real threads: two cannot take the last place at once.
#[test]
fn the_share_holds_if_all_fail_at_once() {
    for _ in 0..100 {
        let group = Arc::new(group(8, 0.5));
        std::thread::scope(|scope| {
            for n in 0..4 {
                let group = Arc::clone(&group);
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    runtime.block_on(async {
                        group[2 * n].call(status(500)).await;
                        group[2 * n + 1].call(status(500)).await;
                    });
                });
            }
        });
        let away = group.iter().filter(|it| it.phase() != Phase::Closed);
        assert_eq!(away.count(), 4);
    }
}

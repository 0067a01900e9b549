//! The default policy: how often each endpoint is chosen.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use http::Request;
use support::{Leaf, ask, endpoint, rejecting};
use ziggurat_balance::{Balance, Endpoint, Shuffle};

const ROUNDS: usize = 20_000;

/// Sends requests and returns how many each endpoint got, in order.
async fn counts(endpoints: Vec<Endpoint<Leaf>>, rounds: usize) -> Vec<usize> {
    let names: Vec<_> = endpoints.iter().map(|e| e.id().to_string()).collect();
    let balance = Balance::with_policy(endpoints, Shuffle::seeded(7));
    let mut counts = vec![0; names.len()];
    for _ in 0..rounds {
        let answered = ask(&balance, Request::new(())).await;
        counts[names.iter().position(|name| *name == answered).unwrap()] += 1;
        // Each in a minute of its own, where the limits have room.
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
    }
    counts
}

/// Checks the counts against the chances, within five standard deviations.
async fn assert_chances(endpoints: Vec<Endpoint<Leaf>>, chances: &[f64]) {
    let counts = counts(endpoints, ROUNDS).await;
    for (count, chance) in counts.iter().zip(chances) {
        let expected = ROUNDS as f64 * chance;
        let sigma = (expected * (1.0 - chance)).sqrt();
        let off = (*count as f64 - expected).abs();
        assert!(off <= 5.0 * sigma, "{counts:?} for chances of {chances:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn r39_weights_share_out_the_requests() {
    let endpoints = vec![endpoint("a").weight(9.0), endpoint("b").weight(1.0)];
    assert_chances(endpoints, &[0.9, 0.1]).await;
}

#[tokio::test(start_paused = true)]
async fn r39_weight_goes_before_rpm_before_tpm() {
    let both = vec![
        endpoint("a").weight(1.0).rpm(900.0).tpm(900.0),
        endpoint("b").weight(3.0).rpm(100.0).tpm(100.0),
    ];
    assert_chances(both, &[0.25, 0.75]).await;
    let rpm = vec![
        endpoint("a").rpm(900.0).tpm(1.0),
        endpoint("b").rpm(100.0).tpm(9.0),
    ];
    assert_chances(rpm, &[0.9, 0.1]).await;
    let tpm = vec![endpoint("a").tpm(100.0), endpoint("b").tpm(700.0)];
    assert_chances(tpm, &[0.125, 0.875]).await;
}

#[tokio::test(start_paused = true)]
async fn r39_a_metric_without_a_value_above_zero_is_passed_over() {
    let endpoints = vec![
        endpoint("a").weight(0.0).rpm(1.0),
        endpoint("b").weight(0.0).rpm(4.0),
    ];
    assert_chances(endpoints, &[0.2, 0.8]).await;
}

#[tokio::test(start_paused = true)]
async fn r39_without_any_metric_all_are_equal() {
    let endpoints = ["a", "b", "c", "d", "e"].map(endpoint).into();
    assert_chances(endpoints, &[0.2; 5]).await;
}

#[tokio::test(start_paused = true)]
async fn r40_a_missing_value_takes_the_mean() {
    let documented = vec![
        endpoint("a").rpm(6.0),
        endpoint("b").rpm(1440.0),
        endpoint("c"),
    ];
    let total = 6.0 + 1440.0 + 723.0;
    assert_chances(documented, &[6.0 / total, 1440.0 / total, 723.0 / total]).await;
    let half = vec![endpoint("a").weight(1.0), endpoint("b")];
    assert_chances(half, &[0.5, 0.5]).await;
}

#[tokio::test(start_paused = true)]
async fn r40_zero_is_never_chosen_beside_others() {
    let endpoints = vec![
        endpoint("a"),
        endpoint("b").weight(4.0),
        endpoint("c").weight(0.0),
    ];
    let got = counts(endpoints, ROUNDS).await;
    assert_eq!(got[2], 0);
    let endpoints = vec![
        endpoint("a").weight(0.0),
        endpoint("b").weight(4.0),
        endpoint("c"),
    ];
    // The mean of zero and four is two.
    assert_chances(endpoints, &[0.0, 4.0 / 6.0, 2.0 / 6.0]).await;
}

#[tokio::test(start_paused = true)]
async fn r40_a_lone_zero_is_never_chosen_beside_one_that_declares_nothing() {
    let endpoints = vec![endpoint("a").weight(0.0), endpoint("b"), endpoint("c")];
    assert_chances(endpoints, &[0.0, 0.5, 0.5]).await;
    let later_metric = vec![endpoint("a"), endpoint("b").tpm(0.0)];
    assert_eq!(counts(later_metric, 100).await, [100, 0]);
    // What it declares of the other metrics does not bring it back, and decides nothing.
    let endpoints = vec![
        endpoint("a").weight(0.0).rpm(90.0),
        endpoint("b").rpm(1.0),
        endpoint("c"),
        endpoint("d").rpm(3.0),
    ];
    assert_chances(endpoints, &[0.0, 1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0]).await;
    let endpoints = vec![endpoint("a").weight(0.0).rpm(90.0), endpoint("b")];
    assert_eq!(counts(endpoints, 100).await, [0, 100]);
}

#[tokio::test(start_paused = true)]
async fn r39_zero_of_a_metric_after_the_deciding_one_does_not_matter() {
    let endpoints = vec![
        endpoint("a").weight(1.0).rpm(0.0),
        endpoint("b").weight(3.0),
    ];
    assert_chances(endpoints, &[0.25, 0.75]).await;
}

#[tokio::test(start_paused = true)]
async fn r40_where_all_are_zero_all_are_equal() {
    let endpoints = ["a", "b"].map(|name| endpoint(name).weight(0.0));
    assert_chances(endpoints.into(), &[0.5, 0.5]).await;
    // Each is left out by another metric, one after the other, as long as any is left.
    let endpoints = vec![
        endpoint("a").weight(0.0),
        endpoint("b").rpm(0.0),
        endpoint("c").tpm(0.0),
    ];
    assert_eq!(counts(endpoints, 100).await, [0, 0, 100]);
}

#[tokio::test(start_paused = true)]
async fn r40_zero_is_chosen_if_it_is_alone() {
    assert_eq!(counts(vec![endpoint("a").weight(0.0)], 10).await, [10]);
    for other in [rejecting("a").weight(5.0), rejecting("a")] {
        let others_refuse = vec![other, endpoint("b").weight(0.0)];
        assert_eq!(counts(others_refuse, 10).await, [0, 10]);
    }
}

#[tokio::test(start_paused = true)]
async fn r41_fractions_and_huge_numbers_are_weights_too() {
    let fractions = vec![endpoint("a").weight(0.3), endpoint("b").weight(0.1)];
    assert_chances(fractions, &[0.75, 0.25]).await;
    let huge = vec![
        endpoint("a").weight(f64::MAX),
        endpoint("b").weight(f64::MAX),
        endpoint("c"),
    ];
    assert_chances(huge, &[1.0 / 3.0; 3]).await;
    let tiny = vec![
        endpoint("a").weight(f64::MIN_POSITIVE),
        endpoint("b").weight(3.0 * f64::MIN_POSITIVE),
    ];
    assert_chances(tiny, &[0.25, 0.75]).await;
}

#[tokio::test(start_paused = true)]
async fn numbers_out_of_range_count_as_not_declared() {
    for wrong in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let endpoints = vec![
            endpoint("a").weight(wrong).rpm(wrong).tpm(wrong),
            endpoint("b").tpm(3.0),
            endpoint("c").tpm(9.0),
        ];
        assert_chances(endpoints, &[6.0 / 18.0, 3.0 / 18.0, 9.0 / 18.0]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_endpoints_are_chosen_evenly() {
    let endpoints = (0..100).map(|n| endpoint(&n.to_string())).collect();
    assert_chances(endpoints, &[0.01; 100]).await;
}

/// The one chosen from all is asked alone first; whoever refuses gives its share to the others, as theirs are.
#[tokio::test(start_paused = true)]
async fn r41_those_that_refuse_leave_the_others_their_proportions() {
    let weighted = vec![
        endpoint("a").weight(1.0),
        rejecting("b").weight(5.0),
        endpoint("c").weight(3.0),
        rejecting("d").weight(7.0),
        endpoint("e").weight(0.0),
    ];
    assert_chances(weighted, &[0.25, 0.0, 0.75, 0.0, 0.0]).await;
    let equal = vec![
        rejecting("a"),
        endpoint("b"),
        rejecting("c"),
        endpoint("d"),
        endpoint("e"),
    ];
    let third = 1.0 / 3.0;
    assert_chances(equal, &[0.0, third, 0.0, third, third]).await;
    // The mean is that of those that take the request: 2, not 4.
    let averaged = vec![
        endpoint("a").weight(2.0),
        rejecting("b").weight(6.0),
        endpoint("c"),
    ];
    assert_chances(averaged, &[0.5, 0.0, 0.5]).await;
    // Those with more than zero refuse: the next metric decides.
    let second = vec![
        endpoint("a").weight(0.0).rpm(3.0),
        rejecting("b").weight(1.0).rpm(9.0),
        endpoint("c").weight(0.0).rpm(1.0),
    ];
    assert_chances(second, &[0.75, 0.0, 0.25]).await;
}

async fn sequence(policy: Shuffle) -> Vec<String> {
    let endpoints = ["a", "b", "c", "d"].map(endpoint);
    let balance = Balance::with_policy(endpoints, policy);
    let mut names = Vec::new();
    for _ in 0..50 {
        names.push(ask(&balance, Request::new(())).await);
    }
    names
}

#[tokio::test(start_paused = true)]
async fn r41_a_seed_fixes_the_choices() {
    let once = sequence(Shuffle::seeded(3)).await;
    assert_eq!(once, sequence(Shuffle::seeded(3)).await);
    assert_ne!(once, sequence(Shuffle::seeded(4)).await);
    assert_ne!(
        sequence(Shuffle::new()).await,
        sequence(Shuffle::new()).await
    );
}

#[tokio::test(start_paused = true)]
async fn clones_go_on_where_the_others_left_off() {
    let policy = Shuffle::seeded(3);
    let first = sequence(policy.clone()).await;
    assert_ne!(first, sequence(policy).await);
}

//! Endpoints that failed their health check.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{sync::Arc, time::Duration};

use http::Request;
use support::{Leaf, Readiness, ask, endpoint, failed, refused, rejecting, request};
use tokio::time::advance;
use ziggurat_balance::{Balance, Endpoint, Shuffle};
use ziggurat_core::{Admit, FailureKind, Rejection, Vitals};

const STALENESS: Duration = Duration::from_secs(600);

fn checked(name: &str, failure: Option<FailureKind>) -> Endpoint<Leaf> {
    let vitals = Arc::new(Vitals::new());
    vitals.health().note(failure);
    endpoint(name).vitals(vitals)
}

fn failing(name: &str) -> Endpoint<Leaf> {
    checked(name, Some(FailureKind::Server))
}

fn balance(endpoints: impl IntoIterator<Item = Endpoint<Leaf>>) -> Balance<Leaf> {
    Balance::with_policy(endpoints, Shuffle::seeded(1)).health_routing(STALENESS)
}

async fn asked(balance: &Balance<Leaf>) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..40 {
        names.push(ask(balance, Request::new(())).await);
    }
    names.sort();
    names.dedup();
    names
}

#[tokio::test(start_paused = true)]
async fn r129_who_fails_its_check_is_passed_over_while_the_verdict_is_fresh() {
    let balance = balance([failing("bad"), checked("good", None), endpoint("unknown")]);
    assert_eq!(asked(&balance).await, ["good", "unknown"]);
    advance(STALENESS - Duration::from_millis(1)).await;
    assert_eq!(asked(&balance).await, ["good", "unknown"]);
    advance(Duration::from_millis(1)).await;
    assert_eq!(asked(&balance).await, ["bad", "good", "unknown"]);
}

#[tokio::test(start_paused = true)]
async fn without_the_option_verdicts_do_not_count() {
    let endpoints = [failing("bad"), checked("good", None)];
    let balance = Balance::with_policy(endpoints, Shuffle::seeded(1));
    assert_eq!(asked(&balance).await, ["bad", "good"]);
}

#[tokio::test(start_paused = true)]
async fn r129_if_none_is_left_all_are_asked() {
    let all = balance([failing("a"), failing("b")]);
    assert_eq!(asked(&all).await, ["a", "b"]);
    let others_refuse = balance([failing("a"), rejecting("region")]);
    assert_eq!(asked(&others_refuse).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn neither_order_nor_weight_brings_it_back() {
    let balance = balance([failing("first").order(1.0).weight(9.0), endpoint("second")]);
    assert_eq!(asked(&balance).await, ["second"]);
}

#[tokio::test(start_paused = true)]
async fn a_further_attempt_does_not_go_there_while_another_would_take_it() {
    let balance = balance([failing("bad"), endpoint("good")]);
    let (tried, request) = request();
    failed(&tried, "good", None, Some(Duration::from_secs(9)));
    assert_eq!(ask(&balance, request).await, "good");
}

#[tokio::test(start_paused = true)]
async fn one_with_a_used_up_minute_comes_first_unless_that_is_a_limit() {
    let pair = || [failing("bad"), endpoint("good").rpm(1.0)];
    let weighs = balance(pair());
    let limits = balance(pair()).enforce_limits(true);
    for _ in 0..3 {
        assert_eq!(ask(&weighs, Request::new(())).await, "good");
    }
    assert_eq!(ask(&limits, Request::new(())).await, "good");
    assert_eq!(ask(&limits, Request::new(())).await, "bad");

    let both = [failing("bad").rpm(1.0), endpoint("good").rpm(1.0)];
    let both = balance(both).enforce_limits(true);
    assert_eq!(ask(&both, Request::new(())).await, "good");
    assert_eq!(ask(&both, Request::new(())).await, "bad");
    let failure = refused(&both, Request::new(())).await;
    assert_eq!(failure.kind(), FailureKind::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn it_is_not_asked_for_a_place_that_another_does_not_have_yet() {
    let busy = Leaf::new().with(Readiness::Pending);
    let handle = busy.handle();
    let balance = balance([failing("bad"), Endpoint::new("good", busy)]);
    let ready = async {
        tokio::task::yield_now().await;
        handle.set(Readiness::Ready);
    };
    let (name, ()) = tokio::join!(ask(&balance, Request::new(())), ready);
    assert_eq!(name, "good");
}

fn yielding(name: &str) -> Endpoint<Leaf> {
    let rejection = Rejection::new(FailureKind::CoolingDown).with_yielding();
    Endpoint::new(name, Leaf::new().rejecting(rejection))
}

#[tokio::test(start_paused = true)]
async fn one_that_yields_is_asked_if_no_other_takes_the_request() {
    let alone = balance([yielding("back")]);
    assert_eq!(asked(&alone).await, ["back"]);
    let pair = balance([yielding("a"), rejecting("region"), yielding("b")]);
    assert_eq!(asked(&pair).await, ["a", "b"]);
    let other = balance([yielding("back"), endpoint("other")]);
    assert_eq!(asked(&other).await, ["other"]);
    // It works as far as is known, and its limits hold.
    let limited = balance([failing("bad"), yielding("back").rpm(1.0)]).enforce_limits(true);
    assert_eq!(ask(&limited, Request::new(())).await, "back");
    assert_eq!(ask(&limited, Request::new(())).await, "bad");
}

#[tokio::test(start_paused = true)]
async fn a_group_yields_if_any_of_it_does() {
    let group = balance([rejecting("region"), yielding("back").rpm(1.0)]).enforce_limits(true);
    assert!(group.admit(&Request::new(())).unwrap_err().yields());
    assert_eq!(ask(&group, Request::new(())).await, "back");
    assert!(!group.admit(&Request::new(())).unwrap_err().yields());
    let hard = balance([rejecting("region"), rejecting("other")]);
    assert!(!hard.admit(&Request::new(())).unwrap_err().yields());
}

//! Tags, and what is done when all rest.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{sync::Arc, time::Duration};

use http::Request;
use support::{Leaf, ask, endpoint, failed, name, refused, request, status};
use tokio::time::{Instant, advance};
use tower::ServiceExt;
use ziggurat_balance::{Balance, Endpoint, Shuffle, TagMatch};
use ziggurat_core::{
    Admit, Deadline, FailureKind, FailureKinds, LastResort, ModelGroup, Rejection, Tags, Vitals,
    overrides::FallbackAhead, vitals::InFlight,
};

fn tagged(tags: &[&str]) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(ModelGroup::new("gpt-4o"));
    if !tags.is_empty() {
        request
            .extensions_mut()
            .insert(Tags::new(tags.iter().copied()));
    }
    request
}

/// Everyone who is ever chosen, in order.
async fn chosen(balance: &Balance<Leaf>, tags: &[&str]) -> String {
    let mut names = Vec::new();
    for _ in 0..60 {
        names.push(ask(balance, tagged(tags)).await);
    }
    names.sort();
    names.dedup();
    names.join(" ")
}

#[tokio::test(start_paused = true)]
async fn r158_tags_choose() {
    let endpoints = || {
        [
            endpoint("free").tags(["free", "eu"]),
            endpoint("paid").tags(["paid", "eu"]),
            endpoint("default").tags(["default"]),
            endpoint("none"),
        ]
    };
    let group =
        |mode: TagMatch| Balance::with_policy(endpoints(), Shuffle::seeded(1)).tag_filtering(mode);
    let (any, all) = (group(TagMatch::Any), group(TagMatch::All));
    for (tags, by_any, by_all) in [
        (&["free"][..], "free", "free"),
        (&["free", "paid"], "free paid", "default"),
        (&["paid", "eu"], "free paid", "paid"),
        (&["eu", "!free"], "paid", "paid"),
        (&["free", "paid", "&eu"], "free paid", "default"),
        (&["&paid"], "paid", "paid"),
        (&["free", "&paid"], "paid", "default"),
        (&["unknown"], "default", "default"),
        // Those that only exclude choose nothing.
        (&["!eu"], "default", "default"),
        (&["!default"], "free none paid", "free none paid"),
        (&[], "default", "default"),
    ] {
        let wanted = |names: &str| names.to_owned();
        if tags.contains(&"&paid") && tags.contains(&"free") {
            // No one has both, and those that are tagged `default` lack what is required.
            for balance in [&any, &all] {
                let failure = refused(balance, tagged(tags)).await;
                assert_eq!(failure.kind(), FailureKind::Tags);
            }
            continue;
        }
        if tags.contains(&"&eu") {
            assert_eq!(chosen(&any, tags).await, wanted(by_any));
            let failure = refused(&all, tagged(tags)).await;
            assert_eq!(failure.kind(), FailureKind::Tags);
            continue;
        }
        assert_eq!(chosen(&any, tags).await, wanted(by_any), "any of {tags:?}");
        assert_eq!(chosen(&all, tags).await, wanted(by_all), "all of {tags:?}");
    }
    let off = Balance::with_policy(endpoints(), Shuffle::seeded(1));
    assert_eq!(chosen(&off, &["paid"]).await, "default free none paid");
}

#[tokio::test(start_paused = true)]
async fn r159_no_one_with_the_tags_is_403() {
    let balance = Balance::new([endpoint("free").tags(["free"]), endpoint("none")])
        .tag_filtering(TagMatch::Any);
    let request = tagged(&["paid", "!x"]);
    assert_eq!(
        balance.admit(&request).unwrap_err().kind(),
        FailureKind::Tags
    );
    let failure = refused(&balance, request).await;
    assert_eq!(
        (failure.kind(), failure.status().as_u16()),
        (FailureKind::Tags, 403)
    );
    assert_eq!(
        failure.to_string(),
        "Not allowed to access model due to tags configuration. Passed model=gpt-4o and tags=[paid, !x]"
    );
    assert_eq!(
        chosen(&balance, &[]).await,
        "free none",
        "without `default` all serve those without tags"
    );
}

#[tokio::test(start_paused = true)]
async fn r159_who_rests_is_still_the_one_meant() {
    let cooling = Rejection::new(FailureKind::CoolingDown);
    let endpoints = [
        Endpoint::new("paid", Leaf::new().rejecting(cooling)).tags(["paid"]),
        endpoint("default").tags(["default"]),
    ];
    let balance = Balance::new(endpoints).tag_filtering(TagMatch::Any);
    let failure = refused(&balance, tagged(&["paid"])).await;
    assert_eq!(failure.kind(), FailureKind::CoolingDown);
}

fn cooling(seconds: u64) -> Rejection {
    Rejection::new(FailureKind::CoolingDown).with_retry_after(Duration::from_secs(seconds))
}

/// Rests until a moment.
fn resting(name: &str, seconds: u64) -> Endpoint<support::Until> {
    let until = Instant::now() + Duration::from_secs(seconds);
    Endpoint::new(name, support::Until::new(until))
}

#[tokio::test(start_paused = true)]
async fn r126_the_first_that_returns_is_waited_for() {
    let start = Instant::now();
    let balance = Balance::new([resting("a", 9), resting("b", 4)]);
    let patient = balance.clone().cooldown_wait(Duration::from_secs(4));
    let response = tower::ServiceExt::oneshot(patient, Request::new(()))
        .await
        .unwrap();
    assert_eq!(support::name(&response), "b");
    assert_eq!(start.elapsed().as_secs(), 4);

    let balance = Balance::new([resting("a", 9)]);
    let patient = balance.cooldown_wait(Duration::from_secs(10));
    let mut hurried = Request::new(());
    hurried
        .extensions_mut()
        .insert(Deadline::start(Duration::from_secs(8)).unwrap());
    let mut backed = Request::new(());
    backed
        .extensions_mut()
        .insert(FallbackAhead::after(FailureKinds::ALL));
    let asked = Instant::now();
    for request in [hurried, backed] {
        let failure = tower::ServiceExt::oneshot(patient.clone(), request)
            .await
            .unwrap_err();
        assert_eq!(failure.kind(), FailureKind::CoolingDown);
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(9)));
    }
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn r126_the_wait_is_bounded_in_all() {
    // It never returns, whatever it says.
    let leaf = Leaf::new().rejecting(cooling(2));
    let balance = Balance::new([Endpoint::new("a", leaf)]).cooldown_wait(Duration::from_secs(5));
    let start = Instant::now();
    refused(&balance, Request::new(())).await;
    assert_eq!(start.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn r128_the_one_that_failed_longest_ago_is_the_last_resort() {
    let now = Instant::now();
    advance(Duration::from_secs(9)).await;
    let ago = |seconds: u64| now + Duration::from_secs(9 - seconds);
    let leaf = |rejection: Rejection| {
        Leaf::new().rejecting(rejection).answering(|request| {
            assert!(request.extensions().get::<LastResort>().is_some());
            status(http::StatusCode::OK)
        })
    };
    let endpoints = [
        // Limited by its upstream: it gives no last resort.
        Endpoint::new("limited", leaf(cooling(1))),
        Endpoint::new("late", leaf(cooling(2).with_last_resort(ago(1)))),
        Endpoint::new("early", leaf(cooling(3).with_last_resort(ago(5)))),
    ];
    let balance = Balance::new(endpoints);
    refused(&balance, Request::new(())).await;
    let balance = balance.last_resort(true);
    assert_eq!(ask(&balance, Request::new(())).await, "early");

    let (tried, again) = request();
    failed(&tried, "early", None, None);
    assert_eq!(
        ask(&balance, again.clone()).await,
        "late",
        "not where it has been"
    );
    assert_eq!(
        refused(&balance, again).await.kind(),
        FailureKind::CoolingDown
    );

    let mut backed = Request::new(());
    backed
        .extensions_mut()
        .insert(FallbackAhead::after(FailureKinds::ALL));
    refused(&balance, backed).await;
}

#[tokio::test(start_paused = true)]
async fn r128_one_call_at_a_time_is_the_last_resort() {
    let late = Instant::now() + Duration::from_secs(9);
    let vitals = Arc::new(Vitals::new());
    let leaf = |failed| Leaf::new().rejecting(cooling(1).with_last_resort(failed));
    let early = Endpoint::new("early", leaf(Instant::now())).vitals(Arc::clone(&vitals));
    let balance = Balance::new([early, Endpoint::new("late", leaf(late))]).last_resort(true);
    let ask = |request| balance.clone().oneshot(request);
    let first = ask(Request::new(())).await.unwrap();
    assert_eq!(name(&first), "early");
    let second = ask(Request::new(())).await.unwrap();
    assert_eq!(name(&second), "late");
    assert_eq!(
        refused(&balance, Request::new(())).await.kind(),
        FailureKind::CoolingDown
    );
    drop(first);
    let before = InFlight::enter(&vitals);
    refused(&balance, Request::new(())).await;
    drop(before);
    assert_eq!(name(&ask(Request::new(())).await.unwrap()), "early");
    drop(second);
}

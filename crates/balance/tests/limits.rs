//! Order, the limits of the minute, and calls at the same time.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use support::{Leaf, ask, endpoint, failed, refused, request};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};
use tower::ServiceExt;
use ziggurat_balance::{Balance, Endpoint, LimitUse, Shuffle};
use ziggurat_core::{
    Admit, Deadline, FailureKind, LlmRequest, ModelGroup, Rejection, Vitals, json::Document,
};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn r48_the_lowest_order_comes_first_and_none_last() {
    let endpoints = [
        endpoint("none"),
        endpoint("two").order(2.0),
        endpoint("one").order(1.0),
        endpoint("also one").order(1.0),
    ];
    let balance = Balance::with_policy(endpoints, Shuffle::seeded(1));
    let mut ones = [0, 0];
    for _ in 0..40 {
        match ask(&balance, Request::new(())).await.as_str() {
            "one" => ones[0] += 1,
            "also one" => ones[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(ones[0] > 5 && ones[1] > 5);
}

#[tokio::test(start_paused = true)]
async fn r49_a_retry_goes_to_the_next_order_once_all_of_one_were_tried() {
    let endpoints = [
        endpoint("none"),
        endpoint("two").order(2.0).origin("x"),
        endpoint("one a").order(1.0).origin("x"),
        endpoint("one b").order(1.0),
    ];
    let balance = Balance::with_policy(endpoints, Shuffle::seeded(1));
    let (tried, request) = request();
    let mut names = Vec::new();
    for _ in 0..4 {
        names.push(ask(&balance, request.clone()).await);
    }
    names[..2].sort();
    assert_eq!(names, ["one a", "one b", "two", "none"]);
    assert_eq!(tried.hops(), 0, "that is no fallback");
}

#[tokio::test(start_paused = true)]
async fn r49_one_whose_origin_asks_for_a_wait_comes_after_the_next_order() {
    let endpoints = [
        endpoint("one").order(1.0).origin("x"),
        endpoint("two").order(2.0),
    ];
    let balance = Balance::new(endpoints);
    let (tried, request) = request();
    failed(&tried, "gone", Some("x"), Some(Duration::from_secs(5)));
    assert_eq!(ask(&balance, request).await, "two");
}

#[tokio::test(start_paused = true)]
async fn r46_a_limit_of_n_admits_n_and_then_the_others() {
    let balance = Balance::new([endpoint("a").rpm(3.0).order(1.0), endpoint("b").order(2.0)]);
    assert_eq!(balance.limits(), LimitUse::Weigh);
    for expected in ["a", "a", "a", "b", "b"] {
        assert_eq!(ask(&balance, Request::new(())).await, expected);
    }
    advance(MINUTE - Duration::from_millis(1)).await;
    assert_eq!(ask(&balance, Request::new(())).await, "b");
    advance(Duration::from_millis(1)).await;
    assert_eq!(
        ask(&balance, Request::new(())).await,
        "a",
        "the minute is over"
    );
}

/// A limit that only weighs leaves whoever has used it up to say so itself, rather than ask again whom it failed with.
#[tokio::test(start_paused = true)]
async fn r50_one_without_room_comes_before_those_that_were_tried() {
    for (enforce, then) in [(false, "a"), (true, "b")] {
        let vitals = Arc::new(Vitals::new());
        let limited = || endpoint("a").rpm(1.0).vitals(vitals.clone());
        assert_eq!(ask(&Balance::new([limited()]), Request::new(())).await, "a");
        let orders = [limited().order(1.0), endpoint("b").order(2.0)];
        for endpoints in [orders, [limited(), endpoint("b").rpm(1e9)]] {
            let balance = Balance::new(endpoints).enforce_limits(enforce);
            let (tried, request) = request();
            assert_eq!(ask(&balance, request.clone()).await, "b");
            let left = tried.read(|attempts| attempts[0].left_untried());
            assert_eq!(left, !enforce, "a retry layer has to know");
            assert_eq!(ask(&balance, request).await, then);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r53_when_none_has_room_it_is_refused_if_limits_are_enforced() {
    let endpoints = || [endpoint("a").rpm(1.0), endpoint("b").rpm(2.0)];
    let weighing = Balance::new(endpoints());
    for _ in 0..20 {
        ask(&weighing, Request::new(())).await;
    }
    let balance = Balance::new(endpoints()).enforce_limits(true);
    assert_eq!(balance.limits(), LimitUse::Enforce);
    ask(&balance, Request::new(())).await;
    advance(Duration::from_millis(20_500)).await;
    for _ in 0..2 {
        balance.admit(&Request::new(())).unwrap();
        ask(&balance, Request::new(())).await;
    }
    let (tried, request) = request();
    let rejection = balance.admit(&request).unwrap_err();
    let failure = refused(&balance, request).await;
    assert_eq!(failure.kind(), FailureKind::RateLimited);
    assert_eq!(failure.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(failure.retry_after(), Some(Duration::from_millis(39_500)));
    assert_eq!(rejection.retry_after(), failure.retry_after());
    assert_eq!(
        failure.to_string(),
        "No deployments available for selected model, Try again in 40 seconds. \
         deployment a has used up its rpm limit of 1; deployment b has used up its rpm limit of 2"
    );
    assert_eq!(tried.attempts(), 0);
    advance(Duration::from_millis(39_500)).await;
    ask(&balance, Request::new(())).await;
}

#[tokio::test(start_paused = true)]
async fn r53_limits_are_named_beside_those_that_rest() {
    let rests = Rejection::new(FailureKind::CoolingDown).with_retry_after(MINUTE / 2);
    for resting in 1..3 {
        let resting = (0..resting).map(|n| {
            let leaf = Leaf::new().rejecting(rests.clone());
            Endpoint::new(format!("resting-{n}"), leaf)
        });
        let balance = Balance::new(resting.chain([endpoint("a").rpm(1.0)])).enforce_limits(true);
        ask(&balance, Request::new(())).await;
        let failure = refused(&balance, Request::new(())).await;
        assert_eq!(failure.kind(), FailureKind::NoCandidate);
        assert_eq!(
            failure.to_string(),
            "No deployments available for selected model, Try again in 30 seconds. \
             deployment a has used up its rpm limit of 1"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn zero_is_no_limit_and_a_fraction_is_one() {
    let unlimited = Balance::new([endpoint("a").rpm(0.0)]).enforce_limits(true);
    assert_eq!(unlimited.limits(), LimitUse::None);
    ask(&unlimited, Request::new(())).await;
    ask(&unlimited, Request::new(())).await;
    let balance = Balance::new([endpoint("b").rpm(0.5)]).enforce_limits(true);
    assert_eq!(ask(&balance, Request::new(())).await, "b");
    refused(&balance, Request::new(())).await;
}

fn prompt(tokens: usize) -> Request<()> {
    let text = format!(r#"{{"messages":"{}"}}"#, "x".repeat(4 * tokens - 2));
    let document = Document::parse(Bytes::from(text)).unwrap();
    let mut request = Request::new(());
    let asked = LlmRequest::new("gpt-4o", false, document);
    request.extensions_mut().insert(asked);
    request
}

#[tokio::test(start_paused = true)]
async fn r43_tokens_are_reserved_at_admission() {
    let a = || Endpoint::new("a", Leaf::new()).tpm(100.0);
    let balance = Balance::new([a()]).enforce_limits(true);
    // Held, so that they stay reserved.
    let _one = balance.clone().oneshot(prompt(60)).await.unwrap();
    let failure = refused(&balance, prompt(41)).await;
    assert!(
        failure.to_string().contains("tpm limit of 100"),
        "{failure}"
    );
    let _two = balance.clone().oneshot(prompt(40)).await.unwrap();
    refused(&balance, prompt(1)).await;

    let balance = Balance::new([a()]).enforce_limits(true);
    ask(&balance, prompt(5000)).await;
    refused(&balance, prompt(1)).await;
}

fn capped(calls: u32) -> (Arc<Vitals>, Endpoint<Leaf>) {
    let vitals = Arc::new(Vitals::new());
    let endpoint = endpoint("a")
        .max_parallel_requests(calls)
        .vitals(vitals.clone());
    (vitals, endpoint)
}

#[tokio::test(start_paused = true)]
async fn r51_a_full_one_is_passed_over_and_then_refused() {
    let (_, a) = capped(2);
    let b = endpoint("b").max_parallel_requests(1).order(9.0);
    let balance = Balance::new([a.order(1.0), b]);
    let mut held = Vec::new();
    for expected in ["a", "a", "b"] {
        let response = balance.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(support::name(&response), expected);
        held.push(response);
    }
    let (tried, mut request) = request();
    request.extensions_mut().insert(ModelGroup::new("gpt-4o"));
    assert_eq!(
        balance.admit(&request).unwrap_err().kind(),
        FailureKind::RateLimited
    );
    let failure = refused(&balance, request).await;
    assert_eq!(failure.kind(), FailureKind::RateLimited);
    let text = failure.to_string();
    assert!(text.contains("all max_parallel_requests slots of deployment a in model group gpt-4o"));
    assert!(
        text.contains("(max_parallel_requests=2)") && text.contains("deployment b"),
        "{text}"
    );
    assert_eq!(tried.attempts(), 0, "that is no attempt");
    held.remove(0);
    assert_eq!(ask(&balance, Request::new(())).await, "a");
}

#[tokio::test(start_paused = true)]
async fn no_cap_is_made_of_rpm_and_zero_is_none() {
    let balance = Balance::new([endpoint("a").rpm(1.0).max_parallel_requests(0)]);
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(balance.clone().oneshot(Request::new(())).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn r51_a_place_is_waited_for_in_turn() {
    let (vitals, a) = capped(1);
    let balance = Balance::new([a]).max_parallel_wait(Duration::from_secs(5));
    let first = balance.clone().oneshot(Request::new(())).await.unwrap();
    let mut second = spawn(balance.clone().oneshot(Request::new(())));
    let mut third = spawn(balance.clone().oneshot(Request::new(())));
    assert_pending!(second.poll());
    assert_pending!(third.poll());
    drop(first);
    assert!(second.is_woken() && !third.is_woken());
    // Woken, but dropped: its turn goes to the next.
    drop(second);
    assert!(third.is_woken());
    let response = assert_ready_ok!(third.poll());
    assert_eq!(vitals.load().in_flight(), 1);
    drop((response, third));
    assert_eq!(vitals.load().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn r51_whichever_place_is_free_first_is_taken() {
    let (_, a) = capped(1);
    let b = endpoint("b").max_parallel_requests(1).order(9.0);
    let balance = Balance::new([a.order(1.0), b]).max_parallel_wait(Duration::from_secs(5));
    let on_a = balance.clone().oneshot(Request::new(())).await.unwrap();
    let on_b = balance.clone().oneshot(Request::new(())).await.unwrap();
    let mut waiting = spawn(balance.clone().oneshot(Request::new(())));
    let mut other = spawn(balance.clone().oneshot(Request::new(())));
    assert_pending!(waiting.poll());
    assert_pending!(other.poll());
    // Both ends reach the first in line; it takes one, and the other is passed on.
    drop((on_b, on_a));
    let one = assert_ready_ok!(waiting.poll());
    drop(waiting);
    assert!(other.is_woken());
    let two = assert_ready_ok!(other.poll());
    assert_ne!(support::name(&one), support::name(&two));
}

#[tokio::test(start_paused = true)]
async fn r51_the_wait_is_bounded_and_by_the_deadline_too() {
    for (deadline, limit) in [(None, 5), (Some(2), 2)] {
        let (_, a) = capped(1);
        let balance = Balance::new([a]).max_parallel_wait(Duration::from_secs(5));
        let _held = balance.clone().oneshot(Request::new(())).await.unwrap();
        let mut request = Request::new(());
        let deadline = deadline.and_then(|it| Deadline::start(Duration::from_secs(it)));
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        let mut call = spawn(balance.oneshot(request));
        assert_pending!(call.poll());
        advance(Duration::from_secs(limit) - Duration::from_millis(1)).await;
        assert_pending!(call.poll());
        advance(Duration::from_millis(2)).await;
        let failure = assert_ready_err!(call.poll());
        assert_eq!(failure.kind(), FailureKind::RateLimited);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_frees_its_place() {
    let vitals = Arc::new(Vitals::new());
    let leaf = Leaf::new().answering(|_| Err("broken".into()));
    let a = Endpoint::new("a", leaf)
        .max_parallel_requests(1)
        .vitals(vitals.clone());
    let balance = Balance::new([a]);
    for _ in 0..3 {
        assert_eq!(
            refused(&balance, Request::new(())).await.kind(),
            FailureKind::Other
        );
    }
    assert_eq!(vitals.load().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_not_held_while_the_service_is_not_ready() {
    let leaf = Leaf::new().with(support::Readiness::Pending);
    let handle = leaf.handle();
    let vitals = Arc::new(Vitals::new());
    let a = Endpoint::new("a", leaf)
        .max_parallel_requests(1)
        .vitals(vitals.clone());
    let balance = Balance::new([a]).max_parallel_wait(Duration::from_secs(5));
    let mut one = spawn(balance.clone().oneshot(Request::new(())));
    let mut two = spawn(balance.clone().oneshot(Request::new(())));
    assert_pending!(one.poll());
    assert_pending!(two.poll());
    assert_eq!(vitals.load().in_flight(), 0);
    handle.set(support::Readiness::Ready);
    let response = assert_ready_ok!(one.poll());
    assert_pending!(two.poll(), "ready now, but there is no place");
    drop((one, response));
    assert!(two.is_woken());
    let _response = assert_ready_ok!(two.poll());
}

//! What happens when the chosen endpoint is not ready.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::time::Duration;

use http::{Request, Response};
use support::{Handle, Leaf, Readiness, ask, name, refused, request};
use tokio::time::{Instant, sleep};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{Service, ServiceExt, limit::ConcurrencyLimit, service_fn};
use ziggurat_balance::{Balance, Candidate, Endpoint, Pick, ResponseBody, Shuffle};
use ziggurat_core::{BoxError, FailureKind, Open};

/// The first in order, so that tests know who is asked when.
#[derive(Clone, Copy, Debug)]
struct InOrder;

impl Pick for InOrder {
    fn pick(&self, _: &[Candidate<'_>]) -> usize {
        0
    }
}

fn leaves<const N: usize>(readiness: [Readiness; N]) -> (Balance<Leaf, InOrder>, [Handle; N]) {
    let leaves = readiness.map(|readiness| Leaf::new().with(readiness));
    let handles = std::array::from_fn(|n| leaves[n].handle());
    let names = ["a", "b", "c", "d"];
    let endpoints = leaves.into_iter().zip(names);
    let endpoints = endpoints.map(|(leaf, name)| Endpoint::new(name, leaf));
    (Balance::with_policy(endpoints, InOrder), handles)
}

use Readiness::{Broken, Pending, Ready};

#[tokio::test]
async fn r51_a_busy_endpoint_is_passed_over_in_the_same_call() {
    let (balance, [a, b, c]) = leaves([Pending, Ready, Ready]);
    assert_eq!(ask(&balance, Request::new(())).await, "b");
    assert_eq!([a.calls(), b.calls(), c.calls()], [0, 1, 0]);
    assert_eq!([a.alive(), b.alive(), c.alive()], [1, 1, 1]);
}

#[tokio::test]
async fn whichever_is_ready_first_is_called() {
    let (mut balance, [a, b, c]) = leaves([Pending; 3]);
    let (tried, request) = request();
    let mut call = spawn(balance.call(request));
    assert_pending!(call.poll());
    assert_eq!(tried.attempts(), 0);
    c.set(Ready);
    assert!(call.is_woken());
    assert_eq!(name(&assert_ready_ok!(call.poll())), "c");
    assert_eq!([a.alive(), b.alive()], [1, 1], "the places are given up");
    tried.read(|attempts| assert!(attempts[0].untried_elsewhere));
}

#[tokio::test]
async fn one_that_fails_to_get_ready_is_passed_over() {
    let (balance, [a, b]) = leaves([Broken, Ready]);
    let (tried, request) = request();
    assert_eq!(ask(&balance, request.clone()).await, "b");
    assert_eq!((a.calls(), b.calls()), (0, 1));
    tried.read(|attempts| assert!(!attempts[0].left_untried(), "nothing to go to on a retry"));
    // The broken instance was a clone: the endpoint is asked again and may have recovered.
    a.set(Ready);
    assert_eq!(ask(&balance, request).await, "a");
}

#[tokio::test]
async fn one_that_breaks_while_it_is_waited_for_is_passed_over() {
    let (mut balance, [a, b]) = leaves([Pending, Pending]);
    let mut call = spawn(balance.call(Request::new(())));
    assert_pending!(call.poll());
    a.set(Broken);
    assert_pending!(call.poll());
    assert_eq!(a.alive(), 1);
    b.set(Ready);
    assert_eq!(name(&assert_ready_ok!(call.poll())), "b");
}

#[tokio::test]
async fn if_all_break_the_last_failure_is_the_error() {
    let (balance, _) = leaves([Broken, Broken]);
    let (tried, request) = request();
    let failure = refused(&balance, request).await;
    assert_eq!(failure.kind(), FailureKind::Other);
    assert_eq!(failure.deployment().unwrap().as_str(), "b");
    assert_eq!(
        std::error::Error::source(&failure).unwrap().to_string(),
        "broken"
    );
    assert_eq!(tried.attempts(), 0, "nothing was called");

    let (mut balance, [a]) = leaves([Pending]);
    let mut call = spawn(balance.call(Request::new(())));
    assert_pending!(call.poll());
    a.set(Broken);
    let failure = tokio_test::assert_ready_err!(call.poll());
    assert_eq!(failure.deployment().unwrap().as_str(), "a");
}

#[tokio::test]
async fn the_service_is_always_ready_and_lazy() {
    let (mut balance, [a]) = leaves([Pending]);
    balance.ready().await.unwrap();
    let call = balance.call(Request::new(()));
    assert_eq!(a.alive(), 1, "nothing happens before the first poll");
    drop(call);
}

/// Two deployments that take one request at a time, for a second each.
fn one_at_a_time()
-> impl Service<Request<()>, Response = Response<ResponseBody<()>>, Error: std::fmt::Debug, Future: Send>
+ Clone {
    let deployment = |name: &'static str, seconds: u64| {
        let answer = move |_: Request<()>| async move {
            sleep(Duration::from_secs(seconds)).await;
            Ok::<_, BoxError>(Response::new(()))
        };
        Endpoint::new(
            name,
            Open::new(ConcurrencyLimit::new(service_fn(answer), 1)),
        )
    };
    Balance::with_policy(
        [deployment("slow", 3), deployment("quick", 1)],
        Shuffle::seeded(5),
    )
}

#[tokio::test(start_paused = true)]
async fn two_at_once_run_side_by_side_and_a_third_waits_for_the_first_free() {
    let balance = one_at_a_time();
    let start = Instant::now();
    let [mut one, mut two, mut three] =
        std::array::from_fn(|_| spawn(balance.clone().oneshot(Request::new(()))));
    assert_pending!(one.poll());
    assert_pending!(two.poll());
    assert_pending!(three.poll());
    let (one, two, three) = tokio::join!(one, two, three);
    let mut names = [name(&one.unwrap()), name(&two.unwrap())];
    names.sort();
    assert_eq!(names, ["quick", "slow"]);
    assert_eq!(name(&three.unwrap()), "quick");
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_leaves_its_place_to_the_next() {
    let balance = one_at_a_time();
    let start = Instant::now();
    let [mut one, mut two, mut three, mut four] =
        std::array::from_fn(|_| spawn(balance.clone().oneshot(Request::new(()))));
    assert_pending!(one.poll());
    assert_pending!(two.poll());
    assert_pending!(three.poll());
    assert_pending!(four.poll());
    drop(three);
    let (one, two, four) = tokio::join!(one, two, async { (four.await, start.elapsed()) });
    one.unwrap();
    two.unwrap();
    assert_eq!(
        (name(&four.0.unwrap()), four.1),
        ("quick".into(), Duration::from_secs(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_frees_its_endpoint() {
    let balance = one_at_a_time();
    let mut calls =
        std::array::from_fn::<_, 2, _>(|_| spawn(balance.clone().oneshot(Request::new(()))));
    calls
        .iter_mut()
        .for_each(|call| assert_pending!(call.poll()));
    let mut third = spawn(balance.clone().oneshot(Request::new(())));
    assert_pending!(third.poll());
    drop(calls);
    assert!(third.is_woken());
    let start = Instant::now();
    third.await.unwrap();
    assert!(start.elapsed() > Duration::ZERO);
}

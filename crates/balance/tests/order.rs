//! Which endpoints come first when a request has been somewhere before.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::time::Duration;

use http::Request;
use support::{ask, endpoint, failed, rejecting, request};
use tokio::time::advance;
use ziggurat_balance::{Balance, Candidate, Pick, Shuffle};
use ziggurat_core::Tried;

/// Always the same place.
#[derive(Clone, Copy, Debug)]
struct At(usize);

impl Pick for At {
    fn pick(&self, _: &[Candidate<'_>]) -> usize {
        self.0
    }
}

fn after(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// Returns whether any others were left untried, and any of them elsewhere, at each attempt.
fn untried(tried: &Tried) -> Vec<(bool, bool)> {
    tried.read(|attempts| {
        let all = attempts.iter();
        all.map(|a| (a.left_untried(), a.untried_elsewhere))
            .collect()
    })
}

#[tokio::test(start_paused = true)]
async fn r70_untried_deployments_come_first() {
    for seed in 0..50 {
        let endpoints = ["a", "b", "c"].map(|name| endpoint(name).weight(1.0));
        let balance = Balance::with_policy(endpoints, Shuffle::seeded(seed));
        let (tried, request) = request();
        let mut names = Vec::new();
        for _ in 0..3 {
            names.push(ask(&balance, request.clone()).await);
        }
        names.sort();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(
            untried(&tried),
            [(true, true), (true, true), (false, false)]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn r70_then_the_one_tried_longest_ago() {
    let balance = Balance::with_policy(["a", "b", "c"].map(endpoint), Shuffle::seeded(1));
    let (tried, request) = request();
    for name in ["b", "a", "c", "b"] {
        failed(&tried, name, None, None);
    }
    for expected in ["a", "c", "b", "a"] {
        assert_eq!(ask(&balance, request.clone()).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_on_deployments_of_other_groups_do_not_matter() {
    let balance = Balance::with_policy(["a", "b"].map(endpoint), At(1));
    let (tried, request) = request();
    failed(&tried, "elsewhere", None, after(60));
    assert_eq!(ask(&balance, request).await, "b");
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_asked_for_a_wait_is_avoided_while_it_runs() {
    let endpoints = [
        endpoint("a").origin("x"),
        endpoint("b").origin("x"),
        endpoint("c").origin("y"),
    ];
    let balance = Balance::with_policy(endpoints, At(0));
    let (tried, request) = request();
    failed(&tried, "a", Some("x"), after(10));
    assert_eq!(ask(&balance, request.clone()).await, "c");
    // Only the limited one is left untried: it goes before those tried.
    assert_eq!(ask(&balance, request.clone()).await, "b");
    assert_eq!(
        untried(&tried),
        [(false, false), (true, false), (false, false)]
    );
}

#[tokio::test(start_paused = true)]
async fn an_origin_is_free_again_when_its_wait_is_over() {
    let endpoints = [endpoint("b").origin("x"), endpoint("c").origin("y")];
    let balance = Balance::with_policy(endpoints, At(0));
    for (seconds, expected) in [(9, "c"), (10, "b")] {
        let (tried, request) = request();
        failed(&tried, "a", Some("x"), after(10));
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(ask(&balance, request).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_failure_without_a_wait_does_not_end_an_earlier_wait() {
    let endpoints = [endpoint("b").origin("x"), endpoint("c").origin("y")];
    let balance = Balance::with_policy(endpoints, At(0));
    let (tried, request) = request();
    failed(&tried, "a", Some("x"), after(10));
    failed(&tried, "z", Some("x"), None);
    assert_eq!(ask(&balance, request).await, "c");
}

#[tokio::test(start_paused = true)]
async fn deployments_without_an_origin_share_nothing() {
    let balance = Balance::with_policy(["a", "b", "c"].map(endpoint), At(0));
    let (tried, request) = request();
    failed(&tried, "a", None, after(10));
    assert_eq!(ask(&balance, request).await, "b");
    assert_eq!(untried(&tried)[1], (true, true));
}

#[tokio::test(start_paused = true)]
async fn untried_elsewhere_leaves_out_the_same_and_limited_origins() {
    let endpoints = [
        endpoint("picked").origin("x"),
        endpoint("same").origin("x"),
        endpoint("limited").origin("y"),
        endpoint("other").origin("z"),
        endpoint("nowhere"),
        rejecting("refusing").origin("z"),
        endpoint("tried").origin("w"),
    ];
    let balance = Balance::with_policy(endpoints, At(0));
    let (tried, request) = request();
    failed(&tried, "tried", Some("w"), None);
    failed(&tried, "gone", Some("y"), after(10));
    assert_eq!(ask(&balance, request).await, "picked");
    assert_eq!(untried(&tried)[2], (true, true));
    tried.read(|attempts| {
        assert!(attempts[2].untried_here);
        assert_eq!(attempts[2].resting_until, attempts[1].not_before());
        assert_eq!(attempts[2].tried_others, [0]);
    });
}

#[tokio::test(start_paused = true)]
async fn an_attempt_says_when_the_first_that_rests_elsewhere_is_free() {
    let endpoints = [
        endpoint("a").origin("x"),
        endpoint("b").origin("x"),
        endpoint("c").origin("y"),
        endpoint("d").origin("z"),
    ];
    let balance = Balance::with_policy(endpoints, At(0));
    let (tried, request) = request();
    failed(&tried, "gone", Some("x"), after(3));
    failed(&tried, "gone", Some("y"), after(9));
    failed(&tried, "gone", Some("y"), after(7));
    failed(&tried, "gone", Some("z"), after(8));
    assert_eq!(ask(&balance, request).await, "a");
    tried.read(|attempts| {
        let attempt = attempts.last().unwrap();
        // One of its own origin, and the later end of the waits of `y`, do not count.
        assert_eq!(
            (attempt.untried_here, attempt.untried_elsewhere),
            (true, false)
        );
        assert_eq!(attempt.resting_until, attempts[3].not_before());
        assert!(attempt.tried_others.is_empty());
    });
}

#[tokio::test(start_paused = true)]
async fn an_attempt_says_whose_turn_comes_next() {
    let endpoints = [endpoint("a"), endpoint("b"), rejecting("c"), endpoint("d")];
    let balance = Balance::with_policy(endpoints, At(0));
    let (tried, request) = request();
    // Of another group, refused, and tried again later: none of them is the next.
    for name in ["gone", "c", "b", "a", "b"] {
        failed(&tried, name, None, None);
    }
    for expected in ["d", "a", "b", "d"] {
        let foretold = tried.read(|attempts| {
            let next = attempts.last().unwrap().tried_others.first().copied();
            next.map(|next| attempts[next].deployment.clone().unwrap())
        });
        let asked = ask(&balance, request.clone()).await;
        assert_eq!(asked, expected);
        if expected != "d" {
            assert_eq!(foretold, Some(expected.into()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_those_that_admit_the_request_are_candidates() {
    let endpoints = [rejecting("a"), endpoint("b"), rejecting("c"), endpoint("d")];
    let balance = Balance::with_policy(endpoints, At(1));
    assert_eq!(ask(&balance, Request::new(())).await, "d");
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_every_request_is_the_first() {
    let balance = Balance::with_policy(["a", "b"].map(endpoint), At(1));
    for _ in 0..3 {
        assert_eq!(ask(&balance, Request::new(())).await, "b");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_beyond_the_end_stands_for_the_first() {
    let balance = Balance::with_policy(["a", "b"].map(endpoint), At(2));
    assert_eq!(ask(&balance, Request::new(())).await, "a");
}

/// Says what it is shown, and takes the largest tpm.
#[derive(Clone, Debug, Default)]
struct Watch {
    prepared: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

fn describe(c: &Candidate<'_>) -> String {
    let (weight, rpm, tpm) = (c.weight(), c.rpm(), c.tpm());
    format!("{} {} {weight:?} {rpm:?} {tpm:?}", c.index(), c.id())
}

impl Pick for Watch {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        let all = self.prepared.lock().unwrap();
        assert!(candidates.iter().all(|c| describe(c) == all[c.index()]));
        let tpm = |place: &usize| candidates[*place].tpm().unwrap_or_default() as u64;
        (0..candidates.len()).max_by_key(tpm).unwrap()
    }

    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        let mut prepared = self.prepared.lock().unwrap();
        prepared.extend(endpoints.iter().map(describe));
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_ones_own_sees_what_is_declared() {
    let watch = Watch::default();
    let endpoints = [
        rejecting("a").tpm(100.0),
        endpoint("b").weight(1.5),
        endpoint("c").rpm(2.0).tpm(3.0),
        endpoint("d").tpm(2.0),
    ];
    let policy: std::sync::Arc<dyn Pick + Send + Sync> = std::sync::Arc::new(watch.clone());
    let balance = Balance::with_policy(endpoints, policy);
    assert_eq!(
        *watch.prepared.lock().unwrap(),
        [
            "0 a None None Some(100.0)",
            "1 b Some(1.5) None None",
            "2 c None Some(2.0) Some(3.0)",
            "3 d None None Some(2.0)",
        ]
    );
    let (_, request) = request();
    for expected in ["c", "d", "b", "c"] {
        assert_eq!(ask(&balance, request.clone()).await, expected);
    }
}

//! Groups that are asked after others with one ledger, above the real balance: a retry waits for whom that chooses.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_balance::{Balance, Candidate, Endpoint, Pick};
use ziggurat_core::{BoxError, FailureKind, FallbackReason, Open, Tried};

use crate::support::{exact, with};

/// Chooses in the order of the endpoints.
#[derive(Clone, Debug)]
struct First;

impl Pick for First {
    fn pick(&self, _: &[Candidate<'_>]) -> usize {
        0
    }
}

/// Asks the groups one after the other, without a retry in the first, and returns who was called, and in which second.
///
/// The first letter of a name is its origin. Each call of `limited` asks for ten seconds; all calls fail.
async fn visits(groups: [&[&'static str]; 2], limited: &'static str) -> Vec<(&'static str, u64)> {
    let opened = Instant::now();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let endpoint = |name: &'static str| {
        let calls = calls.clone();
        let answer = move |_: Request<()>| {
            calls
                .lock()
                .unwrap()
                .push((name, opened.elapsed().as_secs()));
            let response = match name == limited {
                true => Response::builder().status(429).header("retry-after", 10),
                false => Response::builder().status(500),
            };
            async move { Ok::<_, BoxError>(response.body(())?) }
        };
        Endpoint::new(name, Open::new(service_fn(answer))).origin(&name[..1])
    };
    let tried = Tried::new();
    for (group, retries) in groups.into_iter().zip([0, 3]) {
        let balance = Balance::with_policy(group.iter().copied().map(endpoint), First);
        let request = with(tried.clone());
        let _ = exact(retries).layer(balance).oneshot(request).await;
        tried.hop(FallbackReason::Error, FailureKind::Server.into());
    }
    let calls = calls.lock().unwrap();
    calls.clone()
}

#[tokio::test(start_paused = true)]
async fn r73_the_turn_may_be_on_one_that_an_earlier_hop_tried() {
    let group: &[_] = &["a", "b", "c"];
    assert_eq!(
        visits([group, group], "none").await,
        [("a", 0), ("b", 0), ("c", 0), ("a", 0), ("b", 0)]
    );
    // While it rests the turn is on the others.
    assert_eq!(
        visits([group, group], "a").await,
        [("a", 0), ("b", 0), ("c", 0), ("b", 0), ("c", 0)]
    );
}

#[tokio::test(start_paused = true)]
async fn r73_the_turn_is_not_on_one_that_only_an_earlier_hop_reaches() {
    assert_eq!(
        visits([&["a"], &["b", "c"]], "a").await,
        [("a", 0), ("b", 0), ("c", 0), ("b", 0), ("c", 0)]
    );
}

#[tokio::test(start_paused = true)]
async fn r73_an_origin_that_an_earlier_hop_was_refused_by_is_waited_for() {
    assert_eq!(
        visits([&["x1"], &["y1", "x2", "y2"]], "x1").await,
        [("x1", 0), ("y1", 0), ("y2", 0), ("x2", 10), ("y1", 10)]
    );
}

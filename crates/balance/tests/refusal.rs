//! What the caller hears when no endpoint takes the request.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::time::Duration;

use http::Request;
use support::{Leaf, endpoint, refused, rejecting, request};
use ziggurat_balance::{Balance, Endpoint};
use ziggurat_core::{Admit, FailureKind, Rejection};

fn refusing(rejections: impl IntoIterator<Item = Rejection>) -> Balance<Leaf> {
    let leaves = rejections.into_iter().map(|r| Leaf::new().rejecting(r));
    Balance::new(
        leaves
            .enumerate()
            .map(|(n, leaf)| Endpoint::new(n.to_string(), leaf)),
    )
}

fn cooling(millis: u64) -> Rejection {
    Rejection::new(FailureKind::CoolingDown).with_retry_after(Duration::from_millis(millis))
}

#[tokio::test]
async fn r38_a_kind_that_all_share_is_the_kind() {
    let balance = refusing([FailureKind::Region; 3].map(Rejection::new));
    let (tried, request) = request();
    let failure = refused(&balance, request).await;
    assert_eq!(failure.kind(), FailureKind::Region);
    assert_eq!(failure.retry_after(), None);
    assert_eq!(failure.deployment(), None);
    assert_eq!(
        failure.to_string(),
        "No deployments available for selected model"
    );
    assert_eq!(tried.attempts(), 0, "nothing was called");
}

#[tokio::test]
async fn r38_different_kinds_are_no_candidate() {
    use FailureKind::{ContextWindow, Region};
    for kinds in [
        [Region, Region, ContextWindow],
        [ContextWindow, Region, Region],
    ] {
        let failure = refused(&refusing(kinds.map(Rejection::new)), Request::new(())).await;
        assert_eq!(failure.kind(), FailureKind::NoCandidate);
    }
}

#[tokio::test]
async fn r125_the_shortest_wait_is_named_in_whole_seconds() {
    let failure = refused(
        &refusing([cooling(9_000), cooling(4_001)]),
        Request::new(()),
    )
    .await;
    assert_eq!(failure.kind(), FailureKind::CoolingDown);
    assert_eq!(failure.retry_after(), Some(Duration::from_millis(4_001)));
    assert_eq!(
        failure.to_string(),
        "No deployments available for selected model, Try again in 5 seconds"
    );

    let region = Rejection::new(FailureKind::Region);
    for mixed in [[region.clone(), cooling(3_000)], [cooling(3_000), region]] {
        let failure = refused(&refusing(mixed), Request::new(())).await;
        assert_eq!(failure.kind(), FailureKind::NoCandidate);
        assert_eq!(
            failure.message(),
            Some("No deployments available for selected model, Try again in 3 seconds")
        );
    }
}

#[tokio::test]
async fn an_empty_balance_has_no_candidate() {
    let failure = refused(&refusing([]), Request::new(())).await;
    assert_eq!(failure.kind(), FailureKind::NoCandidate);
    assert_eq!(
        failure.to_string(),
        "No deployments available for selected model"
    );
}

#[test]
fn it_admits_what_any_endpoint_admits() {
    let request = Request::new(());
    assert_eq!(
        Balance::new([rejecting("a"), endpoint("b")]).admit(&request),
        Ok(())
    );
    let refusal = refusing([cooling(9_000), cooling(4_000)]).admit(&request);
    assert_eq!(refusal, Err(cooling(4_000)));
    let empty = refusing([]).admit(&request);
    assert_eq!(empty, Err(Rejection::new(FailureKind::NoCandidate)));
}

//! What the caller hears when no endpoint takes the request.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::time::Duration;

use http::Request;
use support::{Leaf, ask, endpoint, refused, rejecting, request};
use ziggurat_balance::{Balance, Endpoint};
use ziggurat_core::{Admit, DeploymentId, FailureKind, Rejection, overrides::Excluded};

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
async fn r144_one_reason_is_made_of_many() {
    use FailureKind::{
        ContextWindow as Small, CoolingDown as Cooling, NoCandidate, RateLimited as Limited,
        Region, Tags,
    };
    for (kinds, expected) in [
        // Who may not serve it at all does not count beside others.
        (&[Region, Region, Small][..], Small),
        (&[Small, Region], Small),
        (&[Cooling, Region], Cooling),
        (&[Tags, Region, Limited], Limited),
        (&[Region, Tags], Region),
        // Too small for all that do not rest.
        (&[Cooling, Small, Cooling], Small),
        (&[Small, Limited, Small], Limited),
        // Most of those that it would fit.
        (&[Cooling, Limited, Limited], Limited),
        (&[Cooling, Cooling, Limited], NoCandidate),
        (&[Cooling, Limited], NoCandidate),
        (&[Small, Cooling, Limited], NoCandidate),
    ] {
        let rejections = kinds.iter().copied().map(Rejection::new);
        let failure = refused(&refusing(rejections), Request::new(())).await;
        assert_eq!(failure.kind(), expected, "{kinds:?}");
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
        "No deployments available for selected model, Try again in 5 seconds. \
         All deployments are in cooldown, cooldown_list=[0, 1]"
    );
    let soon = refused(&refusing([cooling(0)]), Request::new(())).await;
    assert!(
        soon.to_string().contains("Try again in 1 seconds"),
        "{soon}"
    );
}

#[tokio::test]
async fn r126_the_last_status_is_named() {
    let limited = Rejection::new(FailureKind::RateLimited).with_message("deployment x is full");
    let cooling = cooling(3_000).with_last_status(http::StatusCode::SERVICE_UNAVAILABLE);
    let failure = refused(&refusing([limited.clone(), cooling]), Request::new(())).await;
    assert_eq!(
        failure.to_string(),
        "No deployments available for selected model, Try again in 3 seconds. \
         deployment x is full. The last upstream status was 503"
    );
    let failure = refused(&refusing([limited]), Request::new(())).await;
    assert_eq!(
        failure.to_string(),
        "No deployments available for selected model. deployment x is full"
    );
}

#[tokio::test]
async fn r143_each_too_small_one_is_named() {
    let small = |text: &str| Rejection::new(FailureKind::ContextWindow).with_message(text);
    let rejections = [
        small("Model=a"),
        cooling(1_000),
        small("Model=b"),
        small("Model=a"),
    ];
    let failure = refused(&refusing(rejections), Request::new(())).await;
    assert_eq!(
        failure.to_string(),
        "the prompt exceeds the context window of every deployment: Model=a; Model=b"
    );
    assert_eq!(failure.retry_after(), None, "waiting is of no use");
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

#[tokio::test]
async fn those_that_a_request_excludes_are_not_asked() {
    let both = || ["a", "b"].map(|name| Endpoint::new(name, Leaf::new()));
    let excluding = |names: &[&'static str]| {
        let ids = names.iter().map(|name| DeploymentId::from(*name));
        let mut request = Request::new(());
        request.extensions_mut().insert(Excluded(ids.collect()));
        request
    };
    // Also where one is guessed, or was to come first.
    for endpoints in [both(), both().map(|it| it.order(1.0))] {
        let balance = Balance::new(endpoints);
        for _ in 0..20 {
            assert_eq!(ask(&balance, excluding(&["a"])).await, "b");
        }
        let failure = refused(&balance, excluding(&["b", "a", "c"])).await;
        assert_eq!(failure.kind(), FailureKind::NoCandidate);
    }
}

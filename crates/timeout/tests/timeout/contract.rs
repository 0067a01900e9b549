//! What any tower layer owes: readiness, pass-through, cancellation, errors, types.

use tower::Layer;
use ziggurat_core::overrides;
use ziggurat_testing::contract;
use ziggurat_timeout::TimeoutLayer;

use crate::support::{limit, seconds, total};

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds() {
    for layer in [limit(60), limit(0), limit(60).stream(seconds(1))] {
        contract::all(&layer, &contract::request()).await;
        contract::admission(&layer, &contract::request()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds_for_the_whole_request() {
    for layer in [total(60), total(0)] {
        contract::all(&layer, &contract::request()).await;
        contract::admission(&layer, &contract::request()).await;
    }
    let mut request = contract::request();
    request
        .extensions_mut()
        .insert(overrides::TotalTimeout(seconds(60)));
    contract::all(&total(0), &request).await;
}

#[test]
fn the_inner_service_can_be_reached() {
    let mut timeout = TimeoutLayer::new(seconds(1)).layer("inner");
    assert_eq!(*timeout.get_ref(), "inner");
    *timeout.get_mut() = "other";
    assert_eq!(timeout.into_inner(), "other");

    let mut timeout = total(1).layer("inner");
    assert_eq!(*timeout.get_ref(), "inner");
    *timeout.get_mut() = "other";
    assert_eq!(timeout.into_inner(), "other");
}

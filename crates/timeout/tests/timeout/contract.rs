//! What any tower layer owes: readiness, pass-through, cancellation, errors, types.

use tower::Layer;
use ziggurat_testing::contract;
use ziggurat_timeout::TimeoutLayer;

use crate::support::{limit, seconds};

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds() {
    for layer in [limit(60), limit(0), limit(60).stream(seconds(1))] {
        contract::all(&layer, &contract::request()).await;
        contract::admission(&layer, &contract::request()).await;
    }
}

#[test]
fn the_inner_service_can_be_reached() {
    let mut timeout = TimeoutLayer::new(seconds(1)).layer("inner");
    assert_eq!(*timeout.get_ref(), "inner");
    *timeout.get_mut() = "other";
    assert_eq!(timeout.into_inner(), "other");
}

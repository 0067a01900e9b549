//! What any tower layer owes: readiness, pass-through, cancellation, errors, types.

use tower::Layer;
use ziggurat_stream_timeout::StreamTimeoutLayer;
use ziggurat_testing::contract;

use crate::support::{limit, llm_request, seconds, with};

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds() {
    let set = limit(60).idle(seconds(5)).total(seconds(600));
    for layer in [limit(60), limit(0), set] {
        contract::all(&layer, &contract::request()).await;
        contract::admission(&layer, &contract::request()).await;
        // All but `pass_through`, as a stream without content does not pass.
        let streaming = with(contract::request(), llm_request(true));
        contract::readiness(&layer, &streaming).await;
        contract::concurrency_limit(&layer, &streaming).await;
        contract::cancellation(&layer, &streaming).await;
        contract::errors(&layer, &streaming).await;
        contract::admission(&layer, &streaming).await;
    }
}

#[test]
fn the_inner_service_can_be_reached() {
    let mut service = StreamTimeoutLayer::new(seconds(1)).layer("inner");
    assert_eq!(*service.get_ref(), "inner");
    *service.get_mut() = "other";
    assert_eq!(service.into_inner(), "other");
}

#[test]
fn types_are_sent_and_cloned() {
    const fn shared<T: Clone + Send + Sync>(_: &T) {}
    const fn unpin<T: Send + Unpin>() {}
    shared(&limit(1));
    shared(&limit(1).layer(crate::support::Service::new()));
    unpin::<crate::support::Body>();
}

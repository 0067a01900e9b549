//! What any tower layer owes: readiness, pass-through, cancellation, errors, types.

use http::HeaderName;
use tower::Layer;
use ziggurat_core::Open;
use ziggurat_region::RegionFilterLayer;
use ziggurat_testing::contract;

use crate::support::allow;

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds() {
    let free = contract::request();
    let mut bound = contract::request();
    bound.extensions_mut().insert(allow(["eu", "us"]));
    let known = RegionFilterLayer::new(["eu-west-1"]);
    for (layer, request) in [
        (known.clone(), &free),
        (known.clone(), &bound),
        (known.allowed(allow(["eu-west"])), &bound),
        (RegionFilterLayer::unknown(), &free),
        (RegionFilterLayer::learned(), &free),
        (
            RegionFilterLayer::learn_from_header(HeaderName::from_static("x-twice")),
            &free,
        ),
    ] {
        contract::all(&layer, request).await;
        contract::admission(&layer, request).await;
    }
}

#[test]
fn the_inner_service_can_be_reached() {
    let mut filter = RegionFilterLayer::unknown().layer(Open::new(1));
    assert_eq!(*filter.get_ref().get_ref(), 1);
    *filter.get_mut() = Open::new(2);
    assert_eq!(filter.into_inner().into_inner(), 2);
}

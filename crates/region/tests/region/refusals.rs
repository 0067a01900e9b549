//! What a refused request is told, and that nothing is sent.

use std::error::Error as _;

use http::Response;
use tower::{Layer, ServiceExt};
use ziggurat_core::{Admit, DeploymentId, FailureKind, ModelGroup};
use ziggurat_region::{NotAllowed, RegionFilterLayer};
use ziggurat_testing::ScriptedBody;

use crate::support::{Service, allow, bound, plain, with};

fn answering() -> Service {
    Service::new().ok(Response::new(ScriptedBody::new().data("hello")))
}

#[tokio::test]
async fn r155_names_the_regions_and_the_group_and_sends_nothing() {
    let inner = answering();
    let service = RegionFilterLayer::new(["us-east-1"]).layer(inner.clone());
    let request = with(bound(["eu", "ch"]), ModelGroup::from("zephyr"));
    let request = with(request, DeploymentId::from("zephyr-1"));

    let rejection = service.admit(&request).unwrap_err();
    assert_eq!(rejection.kind(), FailureKind::Region);
    assert_eq!(rejection.retry_after(), None, "waiting does not help");

    let failure = service.oneshot(request).await.unwrap_err();
    assert_eq!(
        (failure.kind(), failure.status().as_u16()),
        (FailureKind::Region, 403)
    );
    assert!(failure.kind().is_local(), "never retried");
    assert_eq!(
        failure.to_string(),
        "`zephyr` is not served in an allowed region: eu or ch"
    );
    assert_eq!(rejection.message(), failure.message());
    assert_eq!(failure.deployment(), Some(&"zephyr-1".into()));
    assert_eq!(inner.calls(), 0);

    let error = failure
        .source()
        .unwrap()
        .downcast_ref::<NotAllowed>()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "the deployment is in us-east-1, allowed is eu or ch"
    );
    assert_eq!(error.regions().collect::<Vec<_>>(), ["us-east-1"]);
    assert_eq!(error.allowed(), &allow(["eu", "ch"]));
}

#[tokio::test]
async fn the_operators_list_is_named_as_well() {
    let layer = RegionFilterLayer::unknown().allowed(allow(["eu", "us"]));
    let failure = layer
        .layer(answering())
        .oneshot(bound(["eu-west-1"]))
        .await
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        "not served in an allowed region: (eu or us) and eu-west-1"
    );
    assert_eq!(
        failure.source().unwrap().to_string(),
        "the region of the deployment is not known, allowed is (eu or us) and eu-west-1"
    );
    let failure = layer.layer(answering()).oneshot(plain()).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "not served in an allowed region: eu or us"
    );
    let failure = RegionFilterLayer::new(["eu"])
        .layer(answering())
        .oneshot(bound([]))
        .await
        .unwrap_err();
    assert_eq!(failure.to_string(), "not served in an allowed region: none");
}

#[tokio::test]
async fn what_is_allowed_goes_through_with_all_its_extensions() {
    let inner = answering();
    let service = RegionFilterLayer::new(["eu-west-1"]).layer(inner.clone());
    service.clone().oneshot(bound(["eu"])).await.unwrap();
    service.oneshot(plain()).await.unwrap();
    let seen = inner.take_requests();
    assert_eq!(seen[0].extensions().get(), Some(&allow(["eu"])));
    assert!(seen[1].extensions().is_empty());
}

#[tokio::test]
async fn a_dropped_call_frees_the_inner_one() {
    let inner = Service::new().ok(Response::default()).never();
    let call = RegionFilterLayer::learned()
        .layer(inner.clone())
        .oneshot(plain());
    let mut call = Box::pin(call);
    assert!(futures_poll(&mut call).is_pending());
    assert_eq!(inner.futures(), 1);
    drop(call);
    assert_eq!(inner.futures(), 0);
}

fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut cx)
}

//! What any tower layer owes: readiness, pass-through, cancellation, errors, types.

use std::{sync::Arc, task::Poll};

use http::{Request, Response};
use http_body_util::Full;
use tokio_test::{assert_ready, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};
use ziggurat_cooldown::{Breaker, Cooldown, CooldownLayer, ResponseBody};
use ziggurat_core::{BoxError, Failure, FailureKind, GrpcStatus, Vitals};
use ziggurat_testing::{ScriptedBody, StrictProbe, contract};

use crate::support::{Deployment, fail, rules, seconds};

fn layer() -> CooldownLayer {
    CooldownLayer::new(Breaker::new(Arc::new(Vitals::new()), rules()))
}

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds() {
    let off = Breaker::new(Arc::new(Vitals::new()), rules().cooldown_time(seconds(0)));
    for layer in [layer(), layer().protected(true), CooldownLayer::new(off)] {
        contract::all(&layer, &contract::request()).await;
        contract::admission(&layer, &contract::request()).await;
    }
    contract::all(&layer().classify(GrpcStatus), &contract::request()).await;
}

#[tokio::test(start_paused = true)]
async fn the_contract_holds_for_a_trial_and_after_it() {
    let vitals = Arc::new(Vitals::new());
    vitals.cooling().cool_for(seconds(1));
    tokio::time::advance(seconds(1)).await;
    let layer = CooldownLayer::new(Breaker::new(Arc::clone(&vitals), rules()));
    contract::cancellation(&layer, &contract::request()).await;
    assert_eq!(vitals.cooling().remaining(), None);
    contract::readiness(&layer, &contract::request()).await;
    contract::admission(&layer, &contract::request()).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_gives_back_what_was_reserved() {
    let vitals = Arc::new(Vitals::new());
    let probe = StrictProbe::new(|_: Request<Full<bytes::Bytes>>| {
        Ok::<_, BoxError>(Response::new(ScriptedBody::new()))
    });
    let tally = probe.tally();
    let limited = ConcurrencyLimit::new(probe, 1);
    let layer = CooldownLayer::new(Breaker::new(Arc::clone(&vitals), rules()));
    let mut one = layer.layer(limited.clone());
    let mut other = task::spawn(limited);
    vitals.cooling().cool_for(seconds(5));
    one.ready().await.unwrap();
    assert!(other.enter(|cx, mut it| it.poll_ready(cx)).is_pending());
    one.call(Request::default()).await.unwrap_err();
    assert!(matches!(
        other.enter(|cx, mut it| it.poll_ready(cx)),
        Poll::Ready(Ok(()))
    ));
    assert_eq!(tally.calls(), 0);
    drop(other);

    // It can be used again, as it was.
    one.ready().await.unwrap();
    vitals.cooling().cool_for(seconds(9));
    one.call(Request::default()).await.unwrap_err();
    tokio::time::advance(seconds(9)).await;
    one.ready().await.unwrap();
    one.call(Request::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_is_refused_at_once() {
    let deployment = Deployment::new(rules());
    deployment.cooling().cool_for(seconds(5));
    let mut service = deployment.service.clone();
    assert_ready_ok!(task::spawn(service.ready()).poll());
    let call = service.call(Request::new(()));
    let failure = assert_ready!(task::spawn(call).poll()).unwrap_err();
    assert_eq!(failure.status(), 429);
    assert_eq!(deployment.inner.calls(), 0);
}

#[test]
fn the_inner_service_can_be_reached() {
    let mut cooldown = layer().layer("inner");
    assert_eq!(*cooldown.get_ref(), "inner");
    *cooldown.get_mut() = "other";
    assert_eq!(cooldown.into_inner(), "other");
}

#[test]
fn the_types_can_be_used_anywhere() {
    fn service<T: Clone + Send + Sync + 'static>() {}
    fn body<T: Send + Unpin>() {}
    service::<Cooldown<String>>();
    service::<CooldownLayer<GrpcStatus>>();
    service::<Breaker>();
    body::<ResponseBody<ScriptedBody>>();
    body::<ResponseBody<ScriptedBody, GrpcStatus>>();
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_failure_shows_in_debug() {
    let deployment = Deployment::new(rules());
    let secret = Failure::from(FailureKind::Server).with_source("sk-secret");
    deployment.call(Err(secret)).await;
    deployment.call(fail(FailureKind::RateLimited)).await;
    let shown = format!("{:?}", deployment.service);
    assert!(
        shown.contains("RateLimited") && !shown.contains("sk-secret"),
        "{shown}"
    );
}

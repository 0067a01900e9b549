//! A boxed service is the service inside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceBuilder, ServiceExt, layer::util::Identity, service_fn};
use ziggurat_core::{Admit, BoxLayer, BoxService, Failure, FailureKind, JsonBody, Open, Rejection};
use ziggurat_testing::{ScriptedBody, StrictProbe, contract};

#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract() {
    let layer = BoxLayer::new();
    contract::all(&layer, &contract::request()).await;
    contract::admission(&layer, &contract::request()).await;
    contract::wire(&layer, &contract::request()).await;
}

/// What composes a group by hand keeps it in a field.
struct Mine {
    groups: Vec<BoxService<Full<Bytes>>>,
}

#[tokio::test]
async fn services_of_different_types_have_one() {
    let one = service_fn(|_: Request<_>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("one")))
    });
    let two = StrictProbe::new(|_: Request<_>| {
        Ok::<_, Failure>(Response::new(ScriptedBody::new().data("two")))
    });
    let builder = ServiceBuilder::new().layer(BoxLayer::new());
    let mine = Mine {
        groups: vec![
            builder.clone().layer_fn(Open::new).service(one),
            builder.layer(Identity::new()).service(two),
        ],
    };
    let mut answers = Vec::new();
    for group in &mine.groups {
        let request = Request::new(Full::default());
        assert_eq!(group.admit(&request), Ok(()));
        let body = group.clone().oneshot(request).await.unwrap().into_body();
        answers.push(body.collect().await.unwrap().to_bytes());
    }
    assert_eq!(answers, ["one", "two"]);
}

#[test]
fn it_says_what_the_service_says_of_a_request() {
    let closed = Rejection::new(FailureKind::CoolingDown);
    let probe =
        StrictProbe::new(|_: Request<()>| Ok::<_, Failure>(Response::new(ScriptedBody::new())));
    let boxed = BoxLayer::new().layer(probe.rejecting(closed.clone()));
    assert_eq!(boxed.admit(&Request::new(())), Err(closed));
}

#[tokio::test]
async fn a_failure_comes_back_whole() {
    let failing = service_fn(|_: Request<()>| async {
        Err::<Response<ScriptedBody>, _>(Failure::new(FailureKind::RateLimited))
    });
    let failure = BoxService::new(Open::new(failing))
        .oneshot(Request::new(()))
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::RateLimited);
}

#[tokio::test]
async fn a_body_that_has_failed_is_over() {
    let guards = ziggurat_testing::Guards::new();
    let body = ScriptedBody::new()
        .error("scripted")
        .data("never")
        .guard(guards.take());
    let mut body = ziggurat_core::BoxBody::new(body);
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(guards.held(), 0);
    assert!(body.frame().await.is_none());
    assert!(http_body::Body::is_end_stream(&body));
}

#[test]
fn it_is_what_stacks_ask_for() {
    fn service<T: Clone + Send + Sync + 'static>() {}
    fn body<T: Send + Unpin + 'static>() {}
    service::<BoxService>();
    service::<BoxService<JsonBody>>();
    service::<BoxLayer>();
    body::<ziggurat_core::BoxBody>();
}

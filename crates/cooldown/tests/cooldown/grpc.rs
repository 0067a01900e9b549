//! Calls whose failure shows only in their trailers.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use tower::{Layer, Service as _};
use ziggurat_cooldown::{Breaker, Cooldown, CooldownLayer};
use ziggurat_core::{GrpcStatus, Vitals, vitals::Phase};
use ziggurat_testing::ScriptedBody;

use crate::support::{Inner, request, rules, seconds};

fn grpc(code: &'static str) -> HeaderMap {
    let name = HeaderName::from_static("grpc-status");
    HeaderMap::from_iter([(name, HeaderValue::from_static(code))])
}

fn service(trailers: HeaderMap) -> (Breaker, Cooldown<Inner, GrpcStatus>) {
    let breaker = Breaker::new(Arc::new(Vitals::new()), rules());
    let body = ScriptedBody::new().data("message").trailers(trailers);
    let inner = Inner::new().ok(Response::new(body.unknown_size()));
    let layer = CooldownLayer::new(breaker.clone()).classify(GrpcStatus);
    (breaker, layer.layer(inner))
}

fn phase(breaker: &Breaker) -> Phase {
    breaker.snapshot().phase
}

#[tokio::test(start_paused = true)]
async fn a_status_in_the_trailers_is_the_judgement() {
    // Internal, unavailable, deadline exceeded.
    for code in ["13", "14", "4"] {
        let (breaker, mut service) = service(grpc(code));
        for _ in 0..5 {
            assert_eq!(phase(&breaker), Phase::Closed);
            let response = service.call(request()).await.unwrap();
            let read = response.into_body().collect().await.unwrap();
            assert_eq!(read.trailers().unwrap()["grpc-status"], code);
        }
        assert_eq!(phase(&breaker), Phase::Cooling(seconds(5)));
        assert_eq!(breaker.snapshot().last_status, None, "the head said 200");
    }
    for (code, failures) in [("0", 0), ("3", 0), ("13", 1)] {
        let (breaker, mut service) = service(grpc(code));
        let response = service.call(request()).await.unwrap();
        response.into_body().collect().await.unwrap();
        assert_eq!(breaker.failures(), failures, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn resource_exhausted_is_immediate_and_may_name_a_wait() {
    let mut trailers = grpc("8");
    trailers.insert("retry-after", HeaderValue::from_static("20"));
    let (breaker, mut service) = service(trailers);
    let response = service.call(request()).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(phase(&breaker), Phase::Cooling(seconds(20)));
}

#[tokio::test(start_paused = true)]
async fn a_trial_is_decided_by_its_trailers() {
    for (code, expected) in [("0", Phase::Closed), ("14", Phase::Cooling(seconds(5)))] {
        let (breaker, mut service) = service(grpc(code));
        breaker.vitals().cooling().cool_for(seconds(1));
        tokio::time::advance(seconds(1)).await;
        let response = service.call(request()).await.unwrap();
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        assert_eq!(phase(&breaker), Phase::Trial);
        body.frame().await.unwrap().unwrap();
        assert_eq!(phase(&breaker), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_in_the_head_is_judged_at_once() {
    let breaker = Breaker::new(Arc::new(Vitals::new()), rules());
    let mut response = Response::new(ScriptedBody::new());
    *response.headers_mut() = grpc("8");
    let layer = CooldownLayer::new(breaker.clone()).classify(GrpcStatus);
    drop(layer.layer(Inner::new().ok(response)).call(request()).await);
    assert_eq!(phase(&breaker), Phase::Cooling(seconds(5)));
}

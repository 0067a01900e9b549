//! Over a real connection.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use tower::{Layer, service_fn};
use ziggurat_cooldown::{Breaker, CooldownLayer};
use ziggurat_core::{BoxError, GrpcStatus, Vitals, vitals::Phase};
use ziggurat_testing::{ScriptedBody, wire};

use crate::support::{rules, seconds};

async fn serve(body: ScriptedBody) -> (Breaker, wire::Served) {
    let breaker = Breaker::new(Arc::new(Vitals::new()), rules().allowed_fails(0));
    let answer = service_fn(move |_: Request<Incoming>| {
        let response = Response::new(body.clone());
        async { Ok::<_, Infallible>(response) }
    });
    let layer = CooldownLayer::new(breaker.clone()).classify(GrpcStatus);
    let served = wire::serve(layer.layer(answer)).await.unwrap();
    (breaker, served)
}

fn get() -> Request<Full<Bytes>> {
    Request::new(Full::default())
}

/// Lets the server go on until something holds; fails if it never does.
async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it does not happen");
}

/// Returns calls and failures, when the server has let go of a body.
async fn counted(breaker: &Breaker) -> (u64, u64) {
    until(|| breaker.calls() > 0).await;
    (breaker.calls(), breaker.failures())
}

#[tokio::test]
async fn a_plain_body_keeps_its_length_and_is_a_success() -> Result<(), BoxError> {
    for silent in [false, true] {
        let mut body = ScriptedBody::new().data("all ").pending().data("of it");
        if silent {
            body = body.silent_end();
        }
        let (breaker, served) = serve(body).await;
        let response = served.http1().await?.send(get()).await?;
        assert_eq!(response.headers()["content-length"], "9");
        let read = response.into_body().collect().await?.to_bytes();
        assert_eq!(read, "all of it");
        assert_eq!(counted(&breaker).await, (1, 0));
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_body_stays_empty_and_is_a_success() -> Result<(), BoxError> {
    let (breaker, served) = serve(ScriptedBody::new()).await;
    let response = served.http1().await?.send(get()).await?;
    assert_eq!(response.headers()["content-length"], "0");
    assert!(response.into_body().collect().await?.to_bytes().is_empty());
    let response = served.http2().await?.send(get()).await?;
    assert!(response.body().is_end_stream());
    assert_eq!(counted(&breaker).await, (2, 0));
    Ok(())
}

#[tokio::test]
async fn trailers_arrive_and_are_judged() -> Result<(), BoxError> {
    let name = HeaderName::from_static("grpc-status");
    let trailers = HeaderMap::from_iter([(name, HeaderValue::from_static("14"))]);
    let body = ScriptedBody::new().data("a").trailers(trailers);
    let (breaker, served) = serve(body.unknown_size()).await;
    let response = served.http2().await?.send(get()).await?;
    let collected = response.into_body().collect().await?;
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "14");
    assert_eq!(counted(&breaker).await, (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_broken_body_does_not_look_whole_and_is_a_failure() -> Result<(), BoxError> {
    for http2 in [false, true] {
        let body = ScriptedBody::new().data("a").pending().error("reset");
        let (breaker, served) = serve(body.unknown_size()).await;
        let mut client = match http2 {
            false => served.http1().await?,
            true => served.http2().await?,
        };
        let body = client.send(get()).await?.into_body();
        assert!(body.collect().await.is_err());
        assert_eq!(counted(&breaker).await, (1, 1));
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_hangs_up_counts_nothing_and_frees_the_trial() -> Result<(), BoxError> {
    for http2 in [false, true] {
        let body = ScriptedBody::new().data("a").hang();
        let (breaker, served) = serve(body.unknown_size()).await;
        let cooling = breaker.vitals().cooling();
        cooling.cool_for(std::time::Duration::from_nanos(1));
        until(|| cooling.phase() == Phase::Waiting).await;
        let mut client = match http2 {
            false => served.http1().await?,
            true => served.http2().await?,
        };
        let mut body = client.send(get()).await?.into_body();
        assert_eq!(body.frame().await.unwrap()?.into_data().unwrap(), "a");
        assert_eq!(cooling.phase(), Phase::Trial);
        drop((body, client));
        until(|| cooling.phase() != Phase::Trial).await;
        assert_eq!(cooling.phase(), Phase::Waiting);
        assert_eq!((breaker.calls(), breaker.failures()), (0, 0));
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_call_reaches_no_one() -> Result<(), BoxError> {
    let (breaker, served) = serve(ScriptedBody::new()).await;
    breaker.vitals().cooling().cool_for(seconds(60));
    // A failure of the service ends the connection: `RespondLayer` would make a response of it.
    assert!(served.http1().await?.send(get()).await.is_err());
    assert_eq!(breaker.calls(), 0);
    Ok(())
}

//! Over a real connection.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::{Layer, service_fn};
use ziggurat_core::BoxError;
use ziggurat_testing::{ScriptedBody, wire};

use crate::support::{limit, seconds};

async fn serve(body: ScriptedBody) -> wire::Served {
    let answer = service_fn(move |_: Request<Incoming>| {
        let response = Response::new(body.clone());
        async { Ok::<_, Infallible>(response) }
    });
    wire::serve(limit(60).layer(answer)).await.unwrap()
}

fn get() -> Request<Full<Bytes>> {
    Request::new(Full::default())
}

#[tokio::test]
async fn a_plain_body_keeps_its_length() -> Result<(), BoxError> {
    let served = serve(ScriptedBody::new().data("all ").pending().data("of it")).await;
    let response = served.http1().await?.send(get()).await?;
    assert_eq!(response.headers()["content-length"], "9");
    assert_eq!(
        response.into_body().collect().await?.to_bytes(),
        "all of it"
    );
    Ok(())
}

#[tokio::test]
async fn an_empty_body_stays_empty() -> Result<(), BoxError> {
    let served = serve(ScriptedBody::new()).await;
    let response = served.http1().await?.send(get()).await?;
    assert_eq!(response.headers()["content-length"], "0");
    assert!(response.into_body().collect().await?.to_bytes().is_empty());
    Ok(())
}

#[tokio::test]
async fn trailers_arrive() -> Result<(), BoxError> {
    let name = HeaderName::from_static("grpc-status");
    let trailers = HeaderMap::from_iter([(name, HeaderValue::from_static("0"))]);
    let served = serve(
        ScriptedBody::new()
            .data("a")
            .trailers(trailers)
            .unknown_size(),
    )
    .await;
    let response = served.http2().await?.send(get()).await?;
    let collected = response.into_body().collect().await?;
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_cut_does_not_look_whole() -> Result<(), BoxError> {
    let served = serve(ScriptedBody::new().data("a").hang().unknown_size()).await;
    let mut body = served.http1().await?.send(get()).await?.into_body();
    assert_eq!(body.frame().await.unwrap()?.into_data().unwrap(), "a");
    // From here on nothing but the deadline can happen.
    tokio::time::pause();
    tokio::time::advance(seconds(60)).await;
    assert!(body.frame().await.unwrap().is_err());
    Ok(())
}

//! Over a real connection.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::{Layer, service_fn};
use ziggurat_core::BoxError;
use ziggurat_region::RegionFilterLayer;
use ziggurat_testing::{ScriptedBody, wire};

#[tokio::test]
async fn what_is_allowed_arrives_whole() -> Result<(), BoxError> {
    let name = HeaderName::from_static("grpc-status");
    let trailers = HeaderMap::from_iter([(name, HeaderValue::from_static("0"))]);
    let plain = ScriptedBody::new().data("all ").pending().data("of it");
    let answer = service_fn(move |request: Request<Incoming>| {
        let response = Response::new(match request.uri().path() {
            "/trailers" => plain.clone().trailers(trailers.clone()).unknown_size(),
            _ => plain.clone(),
        });
        async { Ok::<_, Infallible>(response) }
    });
    let served = wire::serve(RegionFilterLayer::learned().layer(answer)).await?;
    let get = |path: &str| Request::get(path).body(Full::<Bytes>::default());

    let response = served.http1().await?.send(get("/")?).await?;
    assert_eq!(response.headers()["content-length"], "9");
    assert_eq!(
        response.into_body().collect().await?.to_bytes(),
        "all of it"
    );

    let response = served.http2().await?.send(get("/trailers")?).await?;
    let collected = response.into_body().collect().await?;
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), "all of it");
    Ok(())
}

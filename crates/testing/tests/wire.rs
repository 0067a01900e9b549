//! A service behind hyper, on both versions of HTTP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{BoxError, service_fn};
use ziggurat_testing::{
    ScriptedBody,
    wire::{Client, Served, serve, serve_full},
};

fn request(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/path?q").body(Full::from(body)).unwrap()
}

async fn clients(served: &Served) -> [Client; 2] {
    [served.http1().await.unwrap(), served.http2().await.unwrap()]
}

#[tokio::test]
async fn both_versions_carry_frames_and_trailers() {
    let trailers =
        || HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let body = move || {
        ScriptedBody::new()
            .data("a")
            .pending()
            .data("b")
            .trailers(trailers())
            .unknown_size()
    };
    let served = serve(service_fn(move |request: Request<_>| async move {
        assert_eq!(request.uri().path(), "/path");
        // HTTP/1.1 sends only those trailers that were announced.
        let response = Response::builder()
            .header("trailer", "grpc-status")
            .body(body());
        Ok::<_, BoxError>(response.unwrap())
    }))
    .await
    .unwrap();
    for mut client in clients(&served).await {
        let mut request = request("");
        request
            .headers_mut()
            .insert("te", "trailers".parse().unwrap());
        let response = client.send(request).await.unwrap();
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(collected.to_bytes(), "ab");
    }
}

#[tokio::test]
async fn a_wrong_size_hint_shows_on_the_wire() {
    let served = serve(service_fn(|_: Request<_>| async {
        let body = ScriptedBody::new()
            .data("lost")
            .size(http_body::SizeHint::with_exact(0));
        Ok::<_, BoxError>(Response::new(body))
    }))
    .await
    .unwrap();
    let result = served.http1().await.unwrap().send(request("")).await;
    let lost = match result {
        Ok(response) => response
            .into_body()
            .collect()
            .await
            .map_or(true, |body| body.to_bytes() != "lost"),
        Err(_) => true,
    };
    assert!(lost);
}

#[tokio::test(start_paused = true)]
async fn a_failing_body_breaks_the_response() {
    // The pause lets the head out: hyper gives up a response whose body fails before that.
    let served = serve(service_fn(|_: Request<_>| async {
        Ok::<_, BoxError>(Response::new(
            ScriptedBody::new()
                .data("a")
                .wait(Duration::from_secs(1))
                .error("scripted")
                .unknown_size(),
        ))
    }))
    .await
    .unwrap();
    for mut client in clients(&served).await {
        let response = client.send(request("")).await.unwrap();
        response.into_body().collect().await.unwrap_err();
    }
}

#[tokio::test]
async fn request_bodies_can_be_collected() {
    let served = serve_full(service_fn(|request: Request<Full<Bytes>>| async {
        Ok::<_, BoxError>(
            Response::builder()
                .status(StatusCode::ACCEPTED)
                .body(request.into_body())
                .unwrap(),
        )
    }))
    .await
    .unwrap();
    for mut client in clients(&served).await {
        for body in ["one", "two"] {
            let response = client.send(request(body)).await.unwrap();
            assert_eq!(response.status(), 202);
            assert_eq!(
                response.into_body().collect().await.unwrap().to_bytes(),
                body
            );
        }
    }
}

#[tokio::test]
async fn dropping_it_closes_the_port() {
    let served = serve(service_fn(|_: Request<_>| async {
        Ok::<_, BoxError>(Response::new(ScriptedBody::new()))
    }))
    .await
    .unwrap();
    let addr = served.addr();
    let mut client = served.http1().await.unwrap();
    client.send(request("")).await.unwrap();
    drop(served);
    client.send(request("")).await.unwrap_err();
    tokio::net::TcpStream::connect(addr).await.unwrap_err();
}

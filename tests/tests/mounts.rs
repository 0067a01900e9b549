//! A gateway, and single layers, inside services of other kinds.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt};
use ziggurat::{Gateway, edge::RespondLayer, timeout::TimeoutLayer};
use ziggurat_testing::{
    mock::{Running, Script, Upstream},
    wire,
};

async fn gateway() -> (Gateway, Running) {
    let upstream = Upstream::new("a")
        .script(Script::default())
        .start()
        .await
        .unwrap();
    let yaml =
        "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}]";
    let url = upstream.url();
    let config = Gateway::loader(move |name| (name == "A").then(|| url.clone()))
        .from_str(yaml, "test.yaml")
        .unwrap();
    (Gateway::new(&config).unwrap(), upstream)
}

fn question() -> String {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).to_string()
}

async fn content(
    body: impl http_body_util::BodyExt<Data = Bytes, Error: std::fmt::Debug>,
) -> Value {
    let answer: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    answer["choices"][0]["message"]["content"].clone()
}

#[tokio::test]
async fn a_gateway_is_a_route_of_axum() {
    let (gateway, _upstream) = gateway().await;
    let app = Router::new()
        .route("/", get(|| async { "home" }))
        .route_service("/v1/chat/completions", gateway);
    let ask = Request::post("/v1/chat/completions")
        .body(Body::from(question()))
        .unwrap();
    assert_eq!(
        content(app.clone().oneshot(ask).await.unwrap().into_body()).await,
        "hello from a"
    );
    let home = app
        .oneshot(Request::get("/").body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(home.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_gateway_serves_connections_of_hyper_in_both_versions() {
    let (gateway, _upstream) = gateway().await;
    let served = wire::serve(gateway).await.unwrap();
    for mut client in [served.http1().await.unwrap(), served.http2().await.unwrap()] {
        let ask = Request::post("/")
            .body(Full::new(Bytes::from(question())))
            .unwrap();
        assert_eq!(
            content(client.send(ask).await.unwrap().into_body()).await,
            "hello from a"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_layer_stands_in_an_axum_app() {
    let slow = || async { tokio::time::sleep(Duration::from_secs(5)).await };
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(TimeoutLayer::new(Duration::from_secs(1)));
    let app = Router::new()
        .route("/slow", get(slow))
        .route("/fast", get(|| async { "hello" }))
        .layer(layers);
    let ask = |path| {
        app.clone()
            .oneshot(Request::get(path).body(Body::empty()).unwrap())
    };
    assert_eq!(ask("/fast").await.unwrap().status(), StatusCode::OK);
    let late = ask("/slow").await.unwrap();
    assert_eq!(late.status(), StatusCode::REQUEST_TIMEOUT);
    let error: Value =
        serde_json::from_slice(&late.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(error["error"]["code"], "408");
}

#[test]
fn a_gateway_is_what_servers_ask_for() {
    fn service<T: Clone + Send + Sync + 'static>() {}
    fn body<T: Send + Unpin + 'static>() {}
    fn future<T: Send + 'static>() {}
    service::<Gateway>();
    body::<ziggurat::gateway::Body>();
    future::<ziggurat::gateway::ResponseFuture<Full<Bytes>>>();
}

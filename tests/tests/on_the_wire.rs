//! Every layer behind connections, HTTP/1.1 and HTTP/2: what arrives is what would arrive without it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{layer::util::Stack, util::MapRequest};
use ziggurat::{
    context_window::{ContextWindowFilterLayer, PrecountLayer, Window},
    cooldown::{Breaker, CooldownLayer, Rules},
    core::json::Document,
    prelude::*,
    region::RegionFilterLayer,
    stream_timeout::StreamTimeoutLayer,
    timeout::TotalTimeoutLayer,
};
use ziggurat_testing::contract::{self, wire};

const LONG: Duration = Duration::from_secs(3600);

/// A balance over copies of one service.
struct Copies(usize);

impl<S: Clone> Layer<S> for Copies {
    type Service = Balance<S>;

    fn layer(&self, inner: S) -> Balance<S> {
        let name = |at: usize| Endpoint::new(at.to_string().as_str(), inner.clone());
        Balance::new((0..self.0).map(name))
    }
}

/// A router of one group.
struct OneGroup;

impl<S> Layer<S> for OneGroup {
    type Service = Router<S>;

    fn layer(&self, inner: S) -> Router<S> {
        Router::new([("m", inner)])
    }
}

/// An envelope over a service that takes bodies as they come.
struct Enveloped;

type Print = fn(Request<JsonBody>) -> Request<Full<Bytes>>;

impl<S> Layer<S> for Enveloped {
    type Service = Envelope<MapRequest<S, Print>>;

    fn layer(&self, inner: S) -> Self::Service {
        let print: Print = |request| request.map(|body| Full::new(body.to_bytes()));
        EnvelopeLayer::new().layer(MapRequest::new(inner, print))
    }
}

fn request() -> Request<Full<Bytes>> {
    let mut request = contract::request();
    request.extensions_mut().insert(ModelGroup::from("m"));
    request
}

fn fallback() -> FallbackLayer {
    FallbackLayer::new([("m", ["other"])].into_iter().collect())
}

fn cooldown() -> CooldownLayer {
    CooldownLayer::new(Breaker::new(Arc::default(), Rules::new()))
}

fn window() -> Window {
    Window::new("m", Some(1000))
}

#[tokio::test(start_paused = true)]
async fn each_layer_by_itself() {
    wire(&RespondLayer::new(), &request()).await;
    wire(&Enveloped, &request()).await;
    wire(&fallback(), &request()).await;
    wire(&OneGroup, &request()).await;
    wire(&RetryLayer::new(2), &request()).await;
    wire(&Copies(3), &request()).await;
    wire(&TimeoutLayer::new(LONG), &request()).await;
    wire(&TotalTimeoutLayer::new(LONG), &request()).await;
    wire(&StreamTimeoutLayer::new(LONG), &request()).await;
    wire(&cooldown(), &request()).await;
    wire(&ContextWindowFilterLayer::new(window()), &request()).await;
    wire(&PrecountLayer::new([window()]), &request()).await;
    wire(&RegionFilterLayer::new(["eu"]), &request()).await;
    wire(&RegionFilterLayer::learned(), &request()).await;
    wire(&BoxLayer::new(), &request()).await;
}

#[tokio::test(start_paused = true)]
async fn all_of_them_together() {
    let timers = Stack::new(TimeoutLayer::new(LONG), StreamTimeoutLayer::new(LONG));
    let window = ContextWindowFilterLayer::new(window());
    let filters = Stack::new(window, RegionFilterLayer::new(["eu"]));
    let deployment = Stack::new(Stack::new(timers, cooldown()), filters);
    // Boxed, as so deep a type takes minutes to compile.
    let boxed = Stack::new(deployment, BoxLayer::new());
    let group = Stack::new(Stack::new(boxed, Copies(2)), RetryLayer::new(2));
    let groups = Stack::new(Stack::new(group, OneGroup), fallback());
    let whole = Stack::new(groups, TotalTimeoutLayer::new(LONG));
    wire(&Stack::new(whole, RespondLayer::new()), &request()).await;
}

/// Requests of a stack whose bodies are JSON documents.
#[tokio::test(start_paused = true)]
async fn json_bodies() {
    let document = Document::parse(r#"{"model":"m"}"#.into()).unwrap();
    let request = request().map(|_| JsonBody::new(document));
    wire(
        &Stack::new(TimeoutLayer::new(LONG), BoxLayer::new()),
        &request,
    )
    .await;
}

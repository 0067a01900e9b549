//! What every service of this family keeps to.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{Layer, util::MapRequest};
use ziggurat_core::{JsonBody, LlmRequest, json::Document};
use ziggurat_edge::{CatchPanicLayer, EarlyHeadLayer, Envelope, EnvelopeLayer, RespondLayer};
use ziggurat_testing::contract;

/// An envelope over a service that takes bodies as they come.
struct Enveloped;

type Print = fn(Request<JsonBody>) -> Request<Full<Bytes>>;

impl<S> Layer<S> for Enveloped {
    type Service = Envelope<MapRequest<S, Print>>;

    fn layer(&self, inner: S) -> Self::Service {
        let print: Print = |req| req.map(|body| Full::new(body.to_bytes()));
        let forwarded = ["content-type", "x-twice"].map(http::HeaderName::from_static);
        EnvelopeLayer::new()
            .forward_headers(forwarded)
            .layer(MapRequest::new(inner, print))
    }
}

#[tokio::test(start_paused = true)]
async fn envelope_keeps_the_contract() {
    contract::all(&Enveloped, &contract::request()).await;
}

/// Respond adds headers and answers for errors by design; the rest of the contract holds.
#[tokio::test(start_paused = true)]
async fn respond_keeps_the_contract() {
    let (layer, request) = (RespondLayer::new(), contract::request());
    contract::readiness(&layer, &request).await;
    contract::concurrency_limit(&layer, &request).await;
    contract::cancellation(&layer, &request).await;
}

/// Whether or not it looks at the request.
#[tokio::test(start_paused = true)]
async fn early_head_keeps_the_contract() {
    let every = std::time::Duration::from_secs(3600);
    for layer in [EarlyHeadLayer::new(), EarlyHeadLayer::new().every(every)] {
        contract::all(&layer, &contract::request()).await;
        contract::all(&layer, &asks_for_a_stream()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn catch_panic_keeps_the_contract() {
    contract::all(&CatchPanicLayer::new(), &contract::request()).await;
}

fn asks_for_a_stream() -> Request<Full<Bytes>> {
    let mut request = contract::request();
    let document = Document::parse(Bytes::from_static(b"{}")).expect("it is one");
    let asked = LlmRequest::new("m", true, document);
    request.extensions_mut().insert(asked);
    request
}

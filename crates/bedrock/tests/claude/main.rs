//! Claude on Bedrock in Anthropic's own form, with the dialect of Anthropic's API.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod answers;
#[path = "../support/frames.rs"]
mod frames;
mod requests;
mod streams;

use http::{HeaderName, Request};
use serde_json::{Value, json};
use ziggurat_anthropic::Anthropic;
use ziggurat_bedrock::{Bedrock, Builder, Claude};
use ziggurat_core::{Failure, JsonBody, Meter, Operation, json::Document};
use ziggurat_provider::{Call, Dialect, Exchange, Outgoing};

pub(crate) const SONNET_37: &str = "eu.anthropic.claude-3-7-sonnet-20250219-v1:0";
pub(crate) const SONNET_45: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
pub(crate) const KEY: &str = "secret-bearer-key";

pub(crate) type Dialects = Claude<Anthropic>;

pub(crate) fn builder(model: &str) -> Builder {
    Bedrock::builder(model).api_key(KEY)
}

pub(crate) fn claude(builder: Builder) -> Dialects {
    let anthropic = Anthropic::builder("any").api_key("not-used");
    Claude::new(builder.build().unwrap(), anthropic.build().unwrap())
}

/// A request for a message with more members, a `null` cuts one out.
pub(crate) fn asking(members: &Value) -> Request<JsonBody> {
    let mut body =
        json!({"model": "group", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let document = Document::parse(body.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document));
    request.extensions_mut().insert(Operation::Messages);
    request
}

/// Prepares a request whose headers for Anthropic are forwarded.
pub(crate) fn prepare(claude: &Dialects, request: &Request<JsonBody>) -> Result<Outgoing, Failure> {
    let forward = [HeaderName::from_static("anthropic-beta")];
    claude.prepare(Call::new(request, &forward))
}

pub(crate) fn takes(claude: &Dialects, request: &Request<JsonBody>) -> bool {
    claude.takes(Call::new(request, &[]))
}

/// The body that is sent for a request with these members.
pub(crate) fn send(model: &str, members: &Value) -> Value {
    let outgoing = prepare(&claude(builder(model)), &asking(members)).unwrap();
    let body = outgoing.request.into_body().into_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// The reader of a call, and what it meters.
pub(crate) fn exchange(stream: bool) -> (Box<dyn Exchange>, Meter) {
    let mut request = asking(&json!({ "stream": stream }));
    let meter = Meter::new();
    request.extensions_mut().insert(meter.clone());
    request
        .extensions_mut()
        .insert(ziggurat_core::ModelGroup::new("group"));
    let outgoing = prepare(&claude(builder(SONNET_45)), &request).unwrap();
    (outgoing.exchange, meter)
}

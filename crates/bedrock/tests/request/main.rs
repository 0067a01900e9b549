//! What requests become, through the dialect alone.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(clippy::needless_pass_by_value, reason = "`json!` makes values")]

mod headers;
mod invoke;
mod messages;
mod params;
mod parts;
mod thinking;
mod tools;

use http::Request;
use serde_json::{Value, json};
use ziggurat_bedrock::{Bedrock, Builder};
use ziggurat_core::{Failure, FailureKind, JsonBody, json::Document};
use ziggurat_provider::{Call, Dialect};

pub(crate) const SONNET_35: &str = "anthropic.claude-3-5-sonnet-20241022-v2:0";
pub(crate) const NOVA: &str = "us.amazon.nova-pro-v1:0";
pub(crate) const OPUS_46: &str = "global.anthropic.claude-opus-4-6-v1:0";
pub(crate) const SONNET_45: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

pub(crate) fn builder(model: &str) -> Builder {
    Bedrock::builder(model).api_key("key")
}

/// The body that is sent for a body.
pub(crate) fn try_send(builder: Builder, body: &Value) -> Result<Value, Failure> {
    try_send_text(builder, &body.to_string())
}

/// The same for a text, whose members keep their order.
pub(crate) fn send_text(model: &str, body: &str) -> Result<Value, Failure> {
    try_send_text(builder(model), body)
}

fn try_send_text(builder: Builder, body: &str) -> Result<Value, Failure> {
    let document = Document::parse(body.to_owned().into()).unwrap();
    let request = Request::new(JsonBody::new(document));
    let outgoing = builder.build().unwrap().prepare(Call::new(&request, &[]))?;
    let body = outgoing.request.into_body().into_bytes();
    Ok(serde_json::from_slice(&body).unwrap())
}

pub(crate) fn send(model: &str, body: &Value) -> Value {
    try_send(builder(model), body).unwrap()
}

/// A question with more members.
pub(crate) fn ask(members: &Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The message of a refusal.
pub(crate) fn refusal(builder: Builder, body: &Value) -> String {
    let failure = try_send(builder, body).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::BadRequest);
    assert!(failure.param().is_some());
    failure.message().unwrap().to_owned()
}

/// The part that a refusal names.
pub(crate) fn param(model: &str, body: &Value) -> String {
    let failure = try_send(builder(model), body).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::BadRequest);
    failure.param().unwrap().to_owned()
}

pub(crate) fn messages(messages: Value) -> Value {
    json!({ "messages": messages })
}

pub(crate) fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

//! Calls without a connection.

#![allow(dead_code, reason = "not every test uses all of it")]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use ziggurat_anthropic::{Anthropic, Builder};
use ziggurat_core::{Failure, JsonBody, Meter, json::Document};
use ziggurat_provider::{Call, Dialect, Exchange, Outgoing};

pub(crate) const KEY: &str = "sk-ant-secret-of-mine";

pub(crate) fn builder(model: &str) -> Builder {
    Anthropic::builder(model).api_key(KEY)
}

pub(crate) fn request(body: &Value) -> Request<JsonBody> {
    let document = Document::parse(body.to_string().into()).unwrap();
    Request::new(JsonBody::new(document))
}

pub(crate) fn prepare(builder: Builder, body: &Value) -> Result<Outgoing, Failure> {
    builder
        .build()
        .unwrap()
        .prepare(Call::new(&request(body), &[]))
}

/// What is sent for a body.
pub(crate) fn sent(builder: Builder, body: &Value) -> (HeaderMap, Value) {
    let outgoing = prepare(builder, body).unwrap();
    let (head, body) = outgoing.request.into_parts();
    (
        head.headers,
        serde_json::from_slice(&body.into_bytes()).unwrap(),
    )
}

/// What reads the answer to a body, and counts its tokens.
pub(crate) fn exchange(body: &Value) -> (Box<dyn Exchange>, Meter) {
    let meter = Meter::new();
    let mut request = request(body);
    request.extensions_mut().insert(meter.clone());
    let dialect = builder("claude-3-opus-20240229").build().unwrap();
    let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
    (outgoing.exchange, meter)
}

pub(crate) fn plain(asked: &Value, answer: &Value) -> Result<Value, Failure> {
    let (mut exchange, _) = exchange(asked);
    let answer = exchange.plain(answer.to_string().into())?;
    Ok(serde_json::from_slice(&answer.into_bytes()).unwrap())
}

pub(crate) fn refused(status: u16, body: &str) -> (Failure, Bytes) {
    let (mut exchange, _) = exchange(&hello());
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    let headers = response.headers_mut();
    headers.insert("retry-after", HeaderValue::from_static("7"));
    let (head, ()) = response.into_parts();
    let mut body = Bytes::copy_from_slice(body.as_bytes());
    let failure = exchange.refused(&head, &mut body);
    (failure, body)
}

pub(crate) fn hello() -> Value {
    serde_json::json!({"model": "g", "messages": [{"role": "user", "content": "hello"}]})
}

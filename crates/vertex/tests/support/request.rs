//! A dialect, asked for the request that it would send.

use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind, JsonBody, json::Document};
use ziggurat_provider::{Call, Dialect};
use ziggurat_vertex::{Builder, Face, Vertex};

pub fn studio(model: &str) -> Builder {
    Vertex::builder(Face::Gemini, model).api_key("gem-key-0123")
}

pub fn prepare(builder: Builder, body: &Value) -> Result<Value, Failure> {
    let body = Document::parse(body.to_string().into()).unwrap();
    let request = Request::new(JsonBody::new(body));
    let outgoing = builder.build().unwrap().prepare(Call::new(&request, &[]))?;
    let sent = outgoing.request.into_body().into_bytes();
    Ok(serde_json::from_slice(&sent).unwrap())
}

/// What is sent to a model for members beside a question.
pub fn sent(model: &str, members: &Value) -> Value {
    prepare(studio(model), &asked(members)).unwrap()
}

pub fn asked(members: &Value) -> Value {
    let mut body = json!({"model": "any", "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub fn refused(members: &Value) -> (FailureKind, String, String) {
    let failure = prepare(studio("gemini-2.5-flash"), &asked(members)).unwrap_err();
    (
        failure.kind(),
        failure.param().unwrap_or_default().to_owned(),
        failure.message().unwrap_or_default().to_owned(),
    )
}

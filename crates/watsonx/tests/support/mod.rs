//! A dialect, asked directly.

#![allow(dead_code, reason = "each test file uses a part")]

use bytes::Bytes;
use http::{HeaderMap, Request, Response, response::Parts};
use serde_json::Value;
use ziggurat_core::{Failure, FailureKind, JsonBody, LlmRequest, ModelGroup, json::Document};
use ziggurat_provider::{Call, Dialect, Exchange, Streamed};
use ziggurat_watsonx::{Builder, Watsonx};

pub(crate) fn builder(model: &str) -> Builder {
    Watsonx::builder(model)
        .api_base("https://eu-de.ml.cloud.ibm.com")
        .token("eyJ-a-token")
        .project_id("p-1")
}

pub(crate) fn request(body: &Value) -> Request<JsonBody> {
    let document = Document::parse(body.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document.clone()));
    let extensions = request.extensions_mut();
    extensions.insert(LlmRequest::new("granite", body["stream"] == true, document));
    extensions.insert(ModelGroup::new("granite"));
    request
}

/// What is sent for a body.
pub(crate) fn sent(builder: Builder, body: &Value) -> Result<Value, Failure> {
    let outgoing = builder
        .build()
        .unwrap()
        .prepare(Call::new(&request(body), &[]))?;
    let body = outgoing.request.into_body().into_bytes();
    Ok(serde_json::from_slice(&body).unwrap())
}

pub(crate) fn exchange(builder: Builder, body: &Value) -> Box<dyn Exchange> {
    let dialect = builder.build().unwrap();
    let outgoing = dialect.prepare(Call::new(&request(body), &[])).unwrap();
    outgoing.exchange
}

/// What comes of a stream that arrives in these pieces.
pub(crate) fn stream<'a>(
    mut exchange: Box<dyn Exchange>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (String, Result<(), FailureKind>) {
    let mut out = Vec::new();
    for piece in pieces {
        let Streamed { data, end } = exchange.chunk(Bytes::copy_from_slice(piece));
        out.extend_from_slice(&data);
        if let Some(end) = end {
            return (text(out), end.map_err(|failure| failure.kind()));
        }
    }
    let Streamed { data, end } = exchange.end(None);
    out.extend_from_slice(&data);
    (text(out), end.unwrap().map_err(|failure| failure.kind()))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

pub(crate) fn head(status: u16) -> Parts {
    let mut head = Response::builder().status(status).body(()).unwrap();
    *head.headers_mut() = HeaderMap::new();
    head.into_parts().0
}

//! Binary streams, through the dialect alone: however their bytes are cut, whatever is wrong with them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod bytes;
mod events;
#[path = "../support/frames.rs"]
mod frames;

use http::Request;
use serde_json::{Value, json};
use ziggurat_bedrock::Bedrock;
use ziggurat_core::{Failure, JsonBody, Meter, json::Document};
use ziggurat_provider::{Call, Dialect, Exchange};

pub(crate) use self::frames::{event, exception, message};

/// What came of a stream.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) text: String,
    pub(crate) end: Option<Result<(), Failure>>,
}

impl Read {
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
            .collect()
    }

    pub(crate) fn failure(&self) -> &Failure {
        self.end.as_ref().unwrap().as_ref().unwrap_err()
    }
}

/// The reader of a call with more members.
pub(crate) fn exchange(model: &str, members: &Value, meter: Option<Meter>) -> Box<dyn Exchange> {
    let mut body =
        json!({"model": "group", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let document = Document::parse(body.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document));
    if let Some(meter) = meter {
        request.extensions_mut().insert(meter);
    }
    let dialect = Bedrock::builder(model)
        .api_key("secret-bearer-key")
        .build()
        .unwrap();
    dialect.prepare(Call::new(&request, &[])).unwrap().exchange
}

/// Reads pieces of a stream to its end.
pub(crate) fn read(mut exchange: Box<dyn Exchange>, pieces: &[&[u8]]) -> Read {
    let mut text = Vec::new();
    for piece in pieces {
        let streamed = exchange.chunk(piece.to_vec().into());
        text.extend_from_slice(&streamed.data);
        if streamed.end.is_some() {
            let text = String::from_utf8(text).unwrap();
            return Read {
                text,
                end: streamed.end,
            };
        }
    }
    let streamed = exchange.end(None);
    text.extend_from_slice(&streamed.data);
    let text = String::from_utf8(text).unwrap();
    Read {
        text,
        end: streamed.end,
    }
}

pub(crate) fn read_whole(members: &Value, stream: &[u8]) -> Read {
    read(
        exchange("anthropic.claude-3-5-sonnet-20241022-v2:0", members, None),
        &[stream],
    )
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    delta(0, &json!({ "text": text }))
}

pub(crate) fn delta(block: u64, delta: &Value) -> Vec<u8> {
    event(
        "contentBlockDelta",
        &json!({"contentBlockIndex": block, "delta": delta}),
    )
}

pub(crate) fn start() -> Vec<u8> {
    event("messageStart", &json!({"role": "assistant", "p": "abc"}))
}

pub(crate) fn stop(reason: &str) -> Vec<u8> {
    event("messageStop", &json!({ "stopReason": reason }))
}

pub(crate) fn used() -> Vec<u8> {
    event(
        "metadata",
        &json!({"usage": {
            "inputTokens": 7, "outputTokens": 3, "totalTokens": 30, "cacheReadInputTokens": 20,
        }}),
    )
}

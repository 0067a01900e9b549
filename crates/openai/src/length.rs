//! The answer of a model that used up its tokens before it said anything. Upstreams refuse such a call; other models end
//! it with `length`.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ziggurat_core::Operation;
use ziggurat_provider::sse::DONE_EVENT;

use crate::dialect::generated_id;

const MESSAGE: &str = r#"{"role":"assistant","content":""}"#;

/// A plain answer; `model` is JSON. What it used is not known, so that it has no `usage`.
pub(crate) fn completion(model: &Bytes) -> Bytes {
    document("chat.completion", "message", model).into()
}

/// The same as a stream of one chunk.
pub(crate) fn stream(model: &Bytes) -> Bytes {
    let chunk = document("chat.completion.chunk", "delta", model);
    [b"data: ", &chunk[..], b"\n\n", DONE_EVENT].concat().into()
}

fn document(object: &str, message: &str, model: &Bytes) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let created = now.map_or(0, |now| now.as_secs());
    let head = format!(r#","object":"{object}","created":{created},"model":"#);
    let choices =
        format!(r#","choices":[{{"index":0,"{message}":{MESSAGE},"finish_reason":"length"}}]}}"#);
    [
        b"{\"id\":",
        &generated_id(Operation::Chat)[..],
        head.as_bytes(),
        model,
        choices.as_bytes(),
    ]
    .concat()
}

//! What a call used, as the upstream tells it.

use bytes::Bytes;
use ziggurat_core::{
    JsonBody, Meter,
    json::{Document, Value},
};

use crate::template::Template;

/// The host that is known to take `stream_options`. Others are asked for what the client asks for.
const HOST: &str = "api.openai.com";

/// Writes the `usage` of an answer, or of a chunk, as far as it is there and of use.
pub(crate) fn record(meter: &Meter, document: &Document) {
    if let Some(usage) = document.get("usage") {
        let [prompt, answer] = usage
            .get_each(["prompt_tokens", "completion_tokens"])
            .map(|tokens| tokens.and_then(Value::as_u64));
        meter.record(prompt, answer);
    }
}

/// Asks for the chunk that tells the usage of a stream, which is kept from a client who has not asked for it.
pub(crate) fn ask(template: &Template, body: &mut JsonBody) {
    if template.host() == Some(HOST) && !body.contains("stream_options") {
        let options = Bytes::from_static(br#"{"include_usage":true}"#);
        body.set("stream_options", options);
    }
}

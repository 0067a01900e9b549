//! Events of a message of Anthropic's.

use bytes::Bytes;
use ziggurat_core::{
    Failure, JsonBody,
    json::{Document, Value, string},
};

use super::{event, given, invalid, object, text};

pub(super) fn events(message: &Document) -> Result<Bytes, Failure> {
    let content = message.get("content").and_then(Value::elements);
    let content = content.ok_or_else(|| invalid("the upstream's answer has no content"))?;
    let mut out = Vec::with_capacity(2 * message.raw().len());
    start(message, &mut out);
    for (index, block) in content.enumerate() {
        one(index, block, &mut out)
            .ok_or_else(|| invalid("the upstream's answer has an unreadable block"))?;
    }
    let reason = given(message.get("stop_reason")).map_or("\"end_turn\"", Value::text);
    let sequence = message.get("stop_sequence").map_or("null", Value::text);
    let usage = given(message.get("usage")).map_or(r#"{"output_tokens":0}"#, Value::text);
    let rest =
        format!(r#""delta":{{"stop_reason":{reason},"stop_sequence":{sequence}}},"usage":{usage}"#);
    event("message_delta", &rest, &mut out);
    event("message_stop", "", &mut out);
    Ok(out.into())
}

/// The message without what comes after it.
fn start(message: &Document, out: &mut Vec<u8>) {
    let mut start = JsonBody::new(message.clone());
    start.set("content", &b"[]"[..]);
    start.set("stop_reason", &b"null"[..]);
    start.set("stop_sequence", &b"null"[..]);
    if given(message.get("usage")).is_none() {
        start.set("usage", &br#"{"input_tokens":0,"output_tokens":0}"#[..]);
    }
    event("message_start", &member("message", &start), out);
}

/// Writes a block: its empty form, and what fills it. One that has no pieces comes whole.
fn one(index: usize, block: Value<'_>, out: &mut Vec<u8>) -> Option<()> {
    let kind = block.get("type")?.as_str()?;
    let mut empty = object(block)?;
    let mut pieces = Vec::new();
    let mut piece = |kind: &str, name: &str, value: &str| {
        let piece = format!(r#""delta":{{"type":"{kind}","{name}":{value}}}"#);
        pieces.push(format!(r#""index":{index},{piece}"#));
    };
    match &*kind {
        "text" => {
            empty.set("text", &b"\"\""[..]);
            empty.remove("citations");
            let citations = block.get("citations").and_then(Value::elements);
            for citation in citations.into_iter().flatten() {
                piece("citations_delta", "citation", citation.text());
            }
            if let Some(said) = text(block.get("text")) {
                piece("text_delta", "text", said);
            }
        }
        "thinking" => {
            empty.set("thinking", &b"\"\""[..]);
            empty.set("signature", &b"\"\""[..]);
            if let Some(thought) = text(block.get("thinking")) {
                piece("thinking_delta", "thinking", thought);
            }
            if let Some(signature) = text(block.get("signature")) {
                piece("signature_delta", "signature", signature);
            }
        }
        "tool_use" | "server_tool_use" | "mcp_tool_use" => {
            empty.set("input", &b"{}"[..]);
            let input = given(block.get("input")).map_or("{}", Value::text);
            let json = string(input);
            piece(
                "input_json_delta",
                "partial_json",
                std::str::from_utf8(&json).ok()?,
            );
        }
        _ => {}
    }
    let rest = format!(r#""index":{index},{}"#, member("content_block", &empty));
    event("content_block_start", &rest, out);
    for piece in pieces {
        event("content_block_delta", &piece, out);
    }
    event("content_block_stop", &format!(r#""index":{index}"#), out);
    Some(())
}

/// A member of an event.
fn member(name: &str, value: &JsonBody) -> String {
    let value = value.to_bytes();
    format!(r#""{name}":{}"#, String::from_utf8_lossy(&value))
}

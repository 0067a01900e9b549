//! Requests for the rest of a message.

use http::Extensions;
use serde_json::{Value, json};
use ziggurat_core::{
    LlmRequest, Operation, fallbacks::Target, json::Document, overrides::Parameters,
};

use crate::walk::merge;

/// Returns the parameters of a request with this as the beginning of the assistant's message. `None` if it asks for something
/// else than one message, or ends with one of the assistant's already.
///
/// `prefix` is what says so of such a message: Mistral refuses one of the assistant at the end without it
/// (<https://docs.mistral.ai/api>), DeepSeek goes on from one with it, at its `/beta`
/// (<https://api-docs.deepseek.com/guides/chat_prefix_completion>). Who translates to an API of its own leaves it out, as
/// Anthropic's and AWS's go on from any. In Anthropic's own form there is no such member; who translates from it is told by
/// [`Prefilled`](ziggurat_core::overrides::Prefilled).
pub(crate) fn begin(extensions: &Extensions, said: &str) -> Option<Parameters> {
    let mut message = json!({"role": "assistant", "content": said});
    match Operation::of(extensions) {
        Operation::Chat => message["prefix"] = true.into(),
        Operation::Messages => {}
        _ => return None,
    }
    let own = extensions.get::<Parameters>();
    let document = extensions.get().map(LlmRequest::document)?;
    if !value(own, document, "n").is_none_or(|n| n == 1 || n.is_null()) {
        return None;
    }
    let Value::Array(mut messages) = value(own, document, "messages")? else {
        return None;
    };
    let last = messages.last().and_then(Value::as_object)?;
    if last.get("role").and_then(Value::as_str) == Some("assistant") {
        return None;
    }
    messages.push(message);
    let target = Target::new("").with_parameter("messages", json!(messages).to_string());
    Some(merge(own, &target))
}

/// Returns a member of the request as it would be sent.
fn value(own: Option<&Parameters>, document: &Document, name: &str) -> Option<Value> {
    let own = own.and_then(|Parameters(own)| own.iter().find(|(other, _)| **other == *name));
    match own {
        Some((_, text)) => serde_json::from_slice(text.as_ref()).ok(),
        None => document.get(name)?.decode().ok(),
    }
}

//! Answers that need no upstream.

mod forms;

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind, Operation};

use crate::{Call, Excused, sse::DONE_EVENT};

/// The tokens that a made-up answer says it used: LiteLLM's own numbers.
const PROMPT_TOKENS: u64 = 10;
const COMPLETION_TOKENS: u64 = 20;

/// Makes the answer to a call of a text, or the failure that the text names as LiteLLM does.
///
/// # Errors
///
/// The failure that the text names.
pub(crate) fn answer(text: &str, call: Call<'_>, model: &str) -> Result<Excused, Failure> {
    if let Some(kind) = failure(text) {
        let message = format!("a mock_response: {kind}");
        return Err(Failure::new(kind).with_message(message));
    }
    let model = call.public_model().unwrap_or(model);
    let plain = |document: Value| Ok(Excused::Plain(Bytes::from(document.to_string()).into()));
    match call.operation() {
        Operation::Embeddings => plain(json!({
            "object": "list",
            "model": model,
            "data": [{"object": "embedding", "index": 0, "embedding": [0.0, 0.1, 0.2]}],
            "usage": {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS},
        })),
        Operation::Messages if call.stream() => {
            Ok(Excused::Stream(forms::message_stream(text, model)))
        }
        Operation::Messages => plain(forms::message(text, model)),
        Operation::CountTokens => plain(json!({ "input_tokens": PROMPT_TOKENS })),
        Operation::Responses if call.stream() => {
            Ok(Excused::Stream(forms::response_stream(text, model, now())))
        }
        Operation::Responses => plain(forms::response(text, model, now())),
        operation if call.stream() => Ok(Excused::Stream(stream(text, operation, model))),
        operation => plain(document(operation, model, |chat| match chat {
            true => json!({"message": {"role": "assistant", "content": text}}),
            false => json!({ "text": text }),
        })),
    }
}

/// The failures that a text can name.
fn failure(text: &str) -> Option<FailureKind> {
    Some(match text {
        "litellm.RateLimitError" => FailureKind::RateLimited,
        "litellm.ContextWindowExceededError" => FailureKind::ContextWindow,
        "litellm.ContentPolicyViolationError" => FailureKind::ContentPolicy,
        "litellm.AuthenticationError" => FailureKind::Authentication,
        "litellm.Timeout" => FailureKind::Timeout,
        "litellm.InternalServerError" => FailureKind::Server,
        _ => return None,
    })
}

/// A chunk for each word, one that ends the choice, and the end of the stream.
fn stream(text: &str, operation: Operation, model: &str) -> Bytes {
    let mut events = Vec::new();
    let mut event = |delta: Option<&str>| {
        let mut chunk = document(operation, model, |chat| match (chat, delta) {
            (true, Some(word)) => json!({"delta": {"role": "assistant", "content": word}}),
            (true, None) => json!({"delta": {}}),
            (false, word) => json!({ "text": word.unwrap_or_default() }),
        });
        if delta.is_some() {
            chunk["choices"][0]["finish_reason"] = Value::Null;
        }
        if operation == Operation::Chat {
            chunk["object"] = "chat.completion.chunk".into();
        }
        if let Value::Object(chunk) = &mut chunk {
            chunk.remove("usage");
        }
        events.extend_from_slice(format!("data: {chunk}\n\n").as_bytes());
    };
    text.split_inclusive(' ').for_each(|word| event(Some(word)));
    event(None);
    events.extend_from_slice(DONE_EVENT);
    events.into()
}

fn document(operation: Operation, model: &str, content: impl Fn(bool) -> Value) -> Value {
    let chat = operation == Operation::Chat;
    let (prefix, object) = match chat {
        true => ("chatcmpl", "chat.completion"),
        false => ("cmpl", "text_completion"),
    };
    let mut choice = content(chat);
    choice["index"] = 0.into();
    choice["finish_reason"] = "stop".into();
    json!({
        "id": format!("{prefix}-mock"),
        "object": object,
        "created": now(),
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": COMPLETION_TOKENS,
            "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        },
    })
}

/// The time, in seconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

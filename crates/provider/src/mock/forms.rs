//! Made-up answers in the forms of Anthropic's Messages and OpenAI's Responses.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{COMPLETION_TOKENS, PROMPT_TOKENS};

/// A message of Anthropic's.
pub(super) fn message(text: &str, model: &str) -> Value {
    json!({
        "id": "msg_mock", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS},
    })
}

/// The events of a message, one for each word.
pub(super) fn message_stream(text: &str, model: &str) -> Bytes {
    let mut start = message(text, model);
    (start["content"], start["stop_reason"]) = (json!([]), Value::Null);
    let block = json!({"type": "text", "text": ""});
    let mut all = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
    ];
    all.extend(text.split_inclusive(' ').map(|word| {
        let delta = json!({"type": "text_delta", "text": word});
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    }));
    all.push(json!({"type": "content_block_stop", "index": 0}));
    all.push(json!({
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"output_tokens": COMPLETION_TOKENS},
    }));
    all.push(json!({"type": "message_stop"}));
    events(&all)
}

/// A response of OpenAI's.
pub(super) fn response(text: &str, model: &str, created: u64) -> Value {
    json!({
        "id": "resp_mock", "object": "response", "created_at": created, "status": "completed",
        "error": null, "incomplete_details": null, "model": model, "output": [item(text)],
        "usage": {
            "input_tokens": PROMPT_TOKENS,
            "output_tokens": COMPLETION_TOKENS,
            "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        },
    })
}

/// The events of a response, one for each word.
pub(super) fn response_stream(text: &str, model: &str, created: u64) -> Bytes {
    let whole = response(text, model, created);
    let mut begun = whole.clone();
    (begun["status"], begun["output"], begun["usage"]) =
        (json!("in_progress"), json!([]), Value::Null);
    let mut empty = item(text);
    (empty["status"], empty["content"]) = (json!("in_progress"), json!([]));
    let of_part = |kind: &str| json!({"type": kind, "item_id": "msg_mock", "output_index": 0, "content_index": 0});
    let with = |kind: &str, name: &str, value: Value| {
        let mut event = of_part(kind);
        event[name] = value;
        event
    };
    let mut all = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": empty}),
        with("response.content_part.added", "part", part("")),
    ];
    let words = text.split_inclusive(' ');
    all.extend(words.map(|word| with("response.output_text.delta", "delta", word.into())));
    all.push(with("response.output_text.done", "text", text.into()));
    all.push(with("response.content_part.done", "part", part(text)));
    all.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item(text)}));
    all.push(json!({"type": "response.completed", "response": whole}));
    for (number, event) in all.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    events(&all)
}

fn item(text: &str) -> Value {
    json!({
        "id": "msg_mock", "type": "message", "role": "assistant", "status": "completed",
        "content": [part(text)],
    })
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

/// Events that are named by their type.
fn events(all: &[Value]) -> Bytes {
    let event = |event: &Value| {
        let name = event["type"].as_str().unwrap_or_default();
        format!("event: {name}\ndata: {event}\n\n")
    };
    all.iter().map(event).collect::<String>().into()
}

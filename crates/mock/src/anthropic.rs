//! The documents of Anthropic's Messages API, as far as a mock needs them.

use bytes::Bytes;
use serde_json::{Value, json};

/// What a path ends with that this form is spoken at.
pub(crate) const PATH: &str = "/v1/messages";

/// An answer to one request, before it takes the form of a document or a stream.
pub(crate) struct Reply<'a> {
    pub(crate) id: String,
    pub(crate) model: &'a str,
    pub(crate) deltas: &'a [String],
    /// In OpenAI's words.
    pub(crate) finish_reason: &'a str,
    /// Of the prompt and of the answer.
    pub(crate) tokens: (u64, u64),
}

impl Reply<'_> {
    pub(crate) fn document(&self) -> Bytes {
        let content = json!([{"type": "text", "text": self.deltas.concat()}]);
        let mut message = self.message(&content, self.tokens.1);
        message["stop_reason"] = self.stop_reason().into();
        message.to_string().into()
    }

    /// Returns the events: the start, a ping, one block with each delta, the stop reason with the usage, the end.
    pub(crate) fn stream(&self) -> Vec<Bytes> {
        let start = json!({"type": "message_start", "message": self.message(&json!([]), 1)});
        let block = json!({
            "type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""},
        });
        let delta = |text: &String| {
            json!({
                "type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text},
            })
        };
        let end = json!({
            "type": "message_delta",
            "delta": {"stop_reason": self.stop_reason(), "stop_sequence": null},
            "usage": {"output_tokens": self.tokens.1},
        });
        let mut events = vec![start, block, json!({"type": "ping"})];
        events.extend(self.deltas.iter().map(delta));
        events.push(json!({"type": "content_block_stop", "index": 0}));
        events.extend([end, json!({"type": "message_stop"})]);
        events.iter().map(event).collect()
    }

    fn message(&self, content: &Value, output: u64) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": null,
            "stop_sequence": null,
            "usage": {"input_tokens": self.tokens.0, "output_tokens": output},
        })
    }

    fn stop_reason(&self) -> &str {
        match self.finish_reason {
            "stop" => "end_turn",
            "length" => "max_tokens",
            "tool_calls" => "tool_use",
            "content_filter" => "refusal",
            other => other,
        }
    }
}

fn event(event: &Value) -> Bytes {
    let name = event["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {event}\n\n").into()
}

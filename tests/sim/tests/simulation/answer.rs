//! What upstreams say, in words that show to which request they belong, and whose they are.

use serde_json::{Value, json};

/// The upstreams: two that serve what is asked for, and one that stands in.
pub(crate) const UPSTREAMS: [&str; 3] = ["one", "two", "three"];

/// Those whose group is asked for.
pub(crate) const WANTED: [&str; 2] = ["one", "two"];

/// The voice of a model that says the same wherever it runs.
const SAME: &str = "same";

/// What a request is answered with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    pub(crate) request: usize,
    pub(crate) count: usize,
    /// All upstreams say the same.
    pub(crate) same: bool,
}

/// The event after the last one.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

// === impl Words ===

impl Words {
    /// Returns the words of an upstream.
    pub(crate) fn of(self, upstream: &str) -> Vec<String> {
        let voice = if self.same { SAME } else { upstream };
        let last = self.count - 1;
        let word = |n| match n == last {
            true => format!("{}-{voice}-{n}.", self.request),
            false => format!("{}-{voice}-{n},", self.request),
        };
        (0..self.count).map(word).collect()
    }

    /// Returns the words that an upstream goes on with, after what was said: by whomever, it keeps to that voice.
    pub(crate) fn after(self, said: &str) -> Option<Vec<String>> {
        UPSTREAMS.iter().find_map(|upstream| {
            let whole = self.of(upstream).concat();
            let rest = whole.strip_prefix(said)?;
            Some(vec![rest.to_owned()])
        })
    }

    /// Returns whose whole answer a text is.
    pub(crate) fn speaker(self, text: &str) -> Option<&'static str> {
        let mut upstreams = UPSTREAMS.into_iter();
        upstreams.find(|upstream| self.of(upstream).concat() == text)
    }
}

fn usage(words: usize) -> Value {
    json!({"prompt_tokens": 1, "completion_tokens": words, "total_tokens": words + 1})
}

/// A plain answer.
pub(crate) fn document(words: &[String]) -> String {
    let message = json!({"role": "assistant", "content": words.concat()});
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage(words.len()),
    })
    .to_string()
}

/// The event of a word.
pub(crate) fn word(word: &str) -> String {
    event(&json!({"content": word}), &Value::Null)
}

/// The event that says why an answer ends.
pub(crate) fn finish() -> String {
    event(&json!({}), &json!("stop"))
}

fn event(delta: &Value, finish: &Value) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m",
        "choices": [choice],
    });
    format!("data: {chunk}\n\n")
}

/// An error, in place of an answer or of an event.
pub(crate) fn error() -> String {
    json!({"error": {"message": "not now", "type": "server_error", "code": "500"}}).to_string()
}

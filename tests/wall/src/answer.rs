//! Answers in OpenAI's form, as bytes.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::scene::Scene;

/// Who answers: in its own words and with a usage of its own, so that an answer shows whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    /// Its name, which is also the id of its deployment.
    pub(crate) name: &'static str,
    /// The group that it serves.
    pub(crate) group: &'static str,
    /// Its answer, in the pieces of a stream.
    pub(crate) words: [&'static str; 5],
    /// What it counts for that answer.
    pub(crate) tokens: u64,
}

/// The one that is asked for.
pub(crate) const PRIMARY: Provider = Provider {
    name: "primary",
    group: "wanted",
    words: ["Stone", " on", " stone", " it", " rises"],
    tokens: 11,
};

/// The one that is asked when the other fails.
pub(crate) const FALLBACK: Provider = Provider {
    name: "fallback",
    group: "spare",
    words: ["Rivers", " carry", " clay", " to", " sea"],
    tokens: 22,
};

/// The one that is asked when the other fails, if it says the same.
pub(crate) const TWIN: Provider = Provider {
    words: PRIMARY.words,
    ..FALLBACK
};

/// The same, where it is in the group of the primary.
pub(crate) const NEIGHBOUR: Provider = Provider {
    group: PRIMARY.group,
    ..TWIN
};

/// One that has nothing to do with the fault, and is asked to see that others are still served.
pub(crate) const BYSTANDER: Provider = Provider {
    name: "bystander",
    group: "other",
    words: ["Walls", " stand", " and", " fall", " slowly"],
    tokens: 33,
};

/// Where the end of a stream is cut: after so many of its words.
pub(crate) const MIDDLE: usize = 3;

impl Provider {
    /// Returns the whole answer.
    pub(crate) fn text(&self) -> String {
        self.words.concat()
    }

    /// Returns the document of a plain answer.
    pub(crate) fn document(&self) -> Value {
        let message = json!({"role": "assistant", "content": self.text()});
        json!({
            "id": format!("chatcmpl-{}", self.name), "object": "chat.completion", "created": 1_700_000_000,
            "model": "gpt-upstream",
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
            "usage": self.usage(),
        })
    }

    fn usage(&self) -> Value {
        json!({"prompt_tokens": self.tokens, "completion_tokens": 5, "total_tokens": self.tokens + 5})
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> String {
        let chunk = json!({
            "id": format!("chatcmpl-{}", self.name), "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "gpt-upstream", "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    }

    fn delta(&self, delta: &Value, finish: &Value) -> String {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        self.chunk(&json!([choice]), &Value::Null)
    }

    /// Returns the event that names the role, which is no content.
    pub(crate) fn role(&self) -> String {
        self.delta(&json!({"role": "assistant", "content": ""}), &Value::Null)
    }

    /// Returns the events of some of the words.
    pub(crate) fn spoken(&self, words: std::ops::Range<usize>) -> String {
        let delta = |word: &&str| self.delta(&json!({"content": word}), &Value::Null);
        self.words[words].iter().map(delta).collect()
    }

    /// Returns the events that end a stream, but for `[DONE]`.
    pub(crate) fn finish(&self) -> String {
        self.delta(&json!({}), &json!("stop")) + &self.chunk(&json!([]), &self.usage())
    }

    /// Returns all events of a stream, but for `[DONE]`.
    pub(crate) fn events(&self) -> String {
        self.events_from(0)
    }

    /// Returns the events of a stream that leaves out so many words.
    fn events_from(&self, first: usize) -> String {
        self.role() + &self.spoken(first..self.words.len()) + &self.finish()
    }

    /// Answers as it should, in the form that is asked for.
    pub(crate) fn answer(&self, streams: bool) -> Scene {
        match streams {
            true => self.stream_from(0),
            false => Scene::new().send(json_response("200 OK", "", &self.document())),
        }
    }

    /// Streams its answer as it should, but for the first words.
    pub(crate) fn stream_from(&self, first: usize) -> Scene {
        Scene::new()
            .send(stream_head())
            .send(chunk(&self.events_from(first)))
            .send(chunk(DONE))
            .send(LAST)
    }
}

/// The event after the last one.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// The end of a body in chunks.
pub(crate) const LAST: &str = "0\r\n\r\n";

/// Returns the head of a stream in chunks.
pub(crate) fn stream_head() -> String {
    head(
        "200 OK",
        "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n",
    )
}

/// Returns a head with these lines, each with its line break.
pub(crate) fn head(status: &str, lines: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{lines}\r\n")
}

/// Wraps a piece of a body for the wire.
pub(crate) fn chunk(piece: &str) -> String {
    format!("{:x}\r\n{piece}\r\n", piece.len())
}

/// Returns a whole response.
pub(crate) fn response(status: &str, lines: &str, body: &str) -> Bytes {
    let length = body.len();
    let lines = format!("content-length: {length}\r\n{lines}");
    (head(status, &lines) + body).into()
}

/// Returns a whole response with a document.
pub(crate) fn json_response(status: &str, lines: &str, document: &Value) -> Bytes {
    let lines = format!("content-type: application/json\r\n{lines}");
    response(status, &lines, &document.to_string())
}

/// Returns an error in OpenAI's form.
pub(crate) fn error(status: &str, lines: &str, code: &str, message: &str) -> Bytes {
    let error = json!({"message": message, "type": "error", "param": null, "code": code});
    json_response(status, lines, &json!({"error": error}))
}

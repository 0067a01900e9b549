//! What a stream used, for clients that ask for it and upstreams that do not tell.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ziggurat_core::{JsonBody, LlmRequest, Meter};

use crate::Call;

/// The usual length of a token of English text, in bytes.
const BYTES_PER_TOKEN: u64 = 4;

/// Counts the answer of a stream while it is read.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    prompt: Option<u64>,
    pieces: u64,
    bytes: u64,
}

/// About how many tokens were used, in OpenAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Of the prompt.
    pub prompt_tokens: u64,
    /// Of the answer.
    pub completion_tokens: u64,
    total_tokens: u64,
}

/// Says whether the client wants the chunk that tells the usage: with about so many tokens of the prompt, if the upstream does
/// not tell.
#[must_use]
pub fn asked(call: Call<'_>, body: &JsonBody) -> Option<u64> {
    #[derive(Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    let options = body.get("stream_options")?;
    let options: Options = serde_json::from_slice(options).ok()?;
    (options.include_usage == Some(true)).then(|| of_prompt(call, body))
}

/// Returns about how many tokens a prompt has: as many as someone has counted, else a quarter of its bytes.
#[must_use]
pub fn of_prompt(call: Call<'_>, body: &JsonBody) -> u64 {
    let request = call.extensions().get::<LlmRequest>();
    if let Some(counted) = request.and_then(|request| request.tokens().guess()) {
        return counted;
    }
    let prompt = call.operation().prompt().and_then(|name| body.get(name));
    prompt.map_or(0, |prompt| prompt.len() as u64 / BYTES_PER_TOKEN)
}

// === impl Counter ===

impl Counter {
    /// Begins an answer; `prompt` is what [`asked`] says.
    #[must_use]
    pub const fn new(prompt: Option<u64>) -> Self {
        Self {
            prompt,
            pieces: 0,
            bytes: 0,
        }
    }

    /// Counts a piece of about a token.
    pub const fn piece(&mut self) {
        self.pieces += 1;
    }

    /// Counts a piece of so many bytes.
    pub const fn text(&mut self, bytes: usize) {
        self.pieces += 1;
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Tells the meter how many tokens the answer has, unless the upstream has told.
    pub fn record(&self, meter: Option<&Meter>) {
        if let Some(meter) = meter.filter(|meter| meter.output().is_none()) {
            meter.record(None, Some(self.answer()));
        }
    }

    /// Returns what to tell a client, if it wants to know.
    #[must_use]
    pub fn estimate(&self) -> Option<Estimate> {
        let (prompt, answer) = (self.prompt?, self.answer());
        Some(Estimate {
            prompt_tokens: prompt,
            completion_tokens: answer,
            total_tokens: prompt.saturating_add(answer),
        })
    }

    /// No piece is less than a token, but some are many.
    fn answer(&self) -> u64 {
        self.pieces.max(self.bytes / BYTES_PER_TOKEN)
    }
}

// === impl Estimate ===

impl Estimate {
    /// Prints it as JSON.
    #[must_use]
    pub fn json(&self) -> Bytes {
        let json = serde_json::to_vec(self);
        json.expect("its members are numbers").into()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::json;
    use ziggurat_core::{TokenCount, json::Document};

    use super::*;

    fn request(usage: bool) -> Request<JsonBody> {
        let body =
            json!({"messages": ["x".repeat(36)], "stream_options": {"include_usage": usage}});
        let document = Document::parse(body.to_string().into()).unwrap();
        let mut request = Request::new(JsonBody::new(document.clone()));
        let extensions = request.extensions_mut();
        extensions.insert(LlmRequest::new("m", true, document));
        request
    }

    #[test]
    fn a_prompt_has_as_many_tokens_as_someone_has_counted() {
        let request = request(true);
        let asked = || asked(Call::new(&request, &[]), request.body());
        assert_eq!(asked(), Some(10));
        let counts = request.extensions().get::<LlmRequest>().unwrap().tokens();
        counts.add("test", None, TokenCount::exact(7));
        assert_eq!(asked(), Some(7));
    }

    #[test]
    fn who_does_not_ask_is_told_nothing() {
        let request = request(false);
        let asked = asked(Call::new(&request, &[]), request.body());
        assert_eq!(asked, None);
        assert_eq!(Counter::new(asked).estimate(), None);
    }

    #[test]
    fn an_answer_has_a_token_for_each_piece_and_for_four_bytes() {
        let mut counter = Counter::new(Some(3));
        let tokens = |counter: &Counter| {
            let meter = Meter::new();
            counter.record(Some(&meter));
            assert_eq!(meter.input(), None);
            meter.output().unwrap()
        };
        counter.piece();
        counter.text(2);
        assert_eq!(tokens(&counter), 2);
        counter.text(38);
        assert_eq!(tokens(&counter), 10);
        let told = r#"{"prompt_tokens":3,"completion_tokens":10,"total_tokens":13}"#;
        assert_eq!(counter.estimate().unwrap().json(), told);
    }

    #[test]
    fn what_the_upstream_has_told_counts() {
        let (counter, meter) = (Counter::new(None), Meter::new());
        meter.record(Some(1), Some(5));
        counter.record(Some(&meter));
        assert_eq!(meter.total(), Some(6));
    }
}

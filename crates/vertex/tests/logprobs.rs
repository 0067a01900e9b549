//! The probabilities of tokens.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{JsonBody, json::Document};
use ziggurat_provider::{Call, Dialect, Exchange};
use ziggurat_vertex::{Face, Vertex};

fn exchange(stream: bool) -> Box<dyn Exchange> {
    let body = json!({
        "model": "any", "messages": [{"role": "user", "content": "Hi"}], "stream": stream, "logprobs": true,
        "top_logprobs": 1,
    });
    let body = Document::parse(body.to_string().into()).unwrap();
    let dialect = Vertex::builder(Face::Gemini, "gemini-2.5-flash").api_key("gem-key-0123");
    let dialect = dialect.build().unwrap();
    let request = Request::new(JsonBody::new(body));
    dialect.prepare(Call::new(&request, &[])).unwrap().exchange
}

/// What the client sees of Google's word for a probability, as JSON: in a plain answer, and in a stream.
fn seen(probability: &str) -> Value {
    let answer = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"a"}}]}},"finishReason":"STOP","logprobsResult":{{
        "chosenCandidates":[{{"token":"a","logProbability":{probability}}}],
        "topCandidates":[{{"candidates":[{{"token":"b","logProbability":{probability}}}]}}]}}}}]}}"#
    );
    let plain = exchange(false).plain(Bytes::from(answer.clone())).unwrap();
    let plain: Value = serde_json::from_slice(&plain.into_bytes()).unwrap();
    let event = format!("data: {}\r\n\r\n", answer.replace('\n', " "));
    let mut exchange = exchange(true);
    let streamed = exchange.chunk(Bytes::from(event));
    assert!(streamed.end.is_none_or(|end| end.is_ok()), "{probability}");
    let text = String::from_utf8(streamed.data.to_vec()).unwrap();
    let mut chunks = text.split("\n\n").filter_map(|event| {
        let chunk: Value = serde_json::from_str(event.strip_prefix("data: ")?).ok()?;
        let logprobs = chunk.pointer("/choices/0/logprobs/content/0")?;
        Some(logprobs.clone())
    });
    let logprobs = &plain["choices"][0]["logprobs"]["content"][0];
    assert_eq!(chunks.next().as_ref(), Some(logprobs), "{text}");
    assert_eq!(logprobs["top_logprobs"][0]["logprob"], logprobs["logprob"]);
    logprobs["logprob"].clone()
}

#[test]
fn probabilities_may_be_texts_and_are_always_finite() {
    for (google, openai) in [
        ("-0.25", json!(-0.25)),
        ("0", json!(0.0)),
        ("null", json!(0.0)),
        ("\"-0.25\"", json!(-0.25)),
        ("\"-Infinity\"", json!(-9999.0)),
        ("-1e999", json!(-9999.0)),
        ("\"NaN\"", json!(-9999.0)),
        ("\"unknown\"", json!(-9999.0)),
    ] {
        assert_eq!(seen(google), openai, "{google}");
    }
}

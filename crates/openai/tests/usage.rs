//! What a call used is told to whoever asks.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{JsonBody, Meter, json::Document};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{Call, Dialect, Outgoing};

fn prepare(base: &str, request: &Value, meter: Option<&Meter>) -> Outgoing {
    let dialect = OpenAi::builder(Face::OpenAi, "m")
        .api_base(base)
        .api_key("sk-very-secret-key")
        .build()
        .unwrap();
    let document = Document::parse(request.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document));
    if let Some(meter) = meter {
        request.extensions_mut().insert(meter.clone());
    }
    dialect.prepare(Call::new(&request, &[])).unwrap()
}

#[test]
fn a_plain_answer_tells_it() {
    let answer = |usage: Value| {
        let answer = json!({"id": "1", "model": "m", "choices": [{"message": {}}], "usage": usage});
        Bytes::from(answer.to_string())
    };
    let asked = json!({"model": "m", "messages": []});
    for (usage, input, output) in [
        (
            json!({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}),
            Some(9),
            Some(3),
        ),
        (json!({"prompt_tokens": 9}), Some(9), None),
        (json!(null), None, None),
        (json!("much"), None, None),
    ] {
        let meter = Meter::new();
        let mut exchange = prepare("http://upstream", &asked, Some(&meter)).exchange;
        exchange.plain(answer(usage.clone())).unwrap();
        assert_eq!((meter.input(), meter.output()), (input, output), "{usage}");
    }
    let mut exchange = prepare("http://upstream", &asked, None).exchange;
    exchange.plain(answer(json!({"prompt_tokens": 9}))).unwrap();
}

#[test]
fn the_chunk_of_a_stream_tells_it_though_the_client_does_not_see_it() {
    let asked = json!({"model": "m", "messages": [], "stream": true});
    let meter = Meter::new();
    let mut exchange = prepare("http://upstream", &asked, Some(&meter)).exchange;
    for text in ["a", "b", "c"] {
        let chunk =
            json!({"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]});
        exchange.chunk(format!("data: {chunk}\n\n").into());
    }
    assert_eq!(meter.total(), None);
    let usage = json!({"id": "1", "model": "m", "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3}});
    let streamed = exchange.chunk(format!("data: {usage}\n\n").into());
    assert!(streamed.data.is_empty());
    assert_eq!(meter.total(), Some(12));
}

/// Some servers tell it with a piece of the answer, or with each.
#[test]
fn a_chunk_among_others_tells_it() {
    let asked = json!({"model": "m", "messages": [], "stream": true, "stream_options": {"include_usage": true}});
    let chunk = |text: &str, more: &str| {
        let choice =
            format!(r#"{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}"#);
        format!("data: {{\"id\":\"1\",\"model\":\"m\",\"choices\":[{choice}]{more}}}\n\n")
    };
    let usage =
        |answer: u64| format!(r#","usage":{{"prompt_tokens":9,"completion_tokens":{answer}}}"#);
    for (pieces, told, total) in [
        (["", "", &usage(30), ""], 1, 39),
        (["", &usage(1), &usage(2), &usage(3)], 3, 12),
        ([&usage(1), &usage(2), &usage(2), &usage(5)], 4, 14),
        (["", &usage(7), r#","usage":null"#, ""], 1, 16),
    ] {
        let meter = Meter::new();
        let mut exchange = prepare("http://upstream", &asked, Some(&meter)).exchange;
        let stream: String = pieces.iter().map(|more| chunk("a", more)).collect();
        let streamed = exchange.chunk((stream + "data: [DONE]\n\n").into());
        let text = String::from_utf8(streamed.data.into()).unwrap();
        assert_eq!(text.matches("prompt_tokens").count(), told, "{text}");
        assert_eq!(meter.total(), Some(total), "{pieces:?}");
    }
}

#[test]
fn openai_is_asked_for_it_only_if_someone_wants_to_know() {
    const OPENAI: &str = "https://api.openai.com/v1";
    let stream = json!({"model": "m", "messages": [], "stream": true});
    let plain = json!({"model": "m", "messages": []});
    let own = json!({"model": "m", "messages": [], "stream": true, "stream_options": {}});
    let options = |base: &str, request: &Value, meter: Option<&Meter>| {
        let body = prepare(base, request, meter)
            .request
            .into_body()
            .into_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body.get("stream_options").cloned()
    };
    let meter = Meter::new();
    let asks = Some(json!({"include_usage": true}));
    assert_eq!(options(OPENAI, &stream, Some(&meter)), asks);
    assert_eq!(options(OPENAI, &stream, None), None);
    assert_eq!(options(OPENAI, &plain, Some(&meter)), None);
    assert_eq!(options(OPENAI, &own, Some(&meter)), Some(json!({})));
    assert_eq!(options("http://upstream", &stream, Some(&meter)), None);
}

//! Streams, however they are cut, and whatever they hold.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod bounds;
mod last_words;

use bytes::Bytes;
use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};
use ziggurat_core::{ContentFiltered, Failure, FailureKind, JsonBody, Meter, json::Document};
use ziggurat_provider::{Call, Dialect, Exchange};
use ziggurat_vertex::{Face, Vertex};

fn exchange(stream: bool, meter: &Meter) -> Box<dyn Exchange> {
    exchange_of(1, stream, meter)
}

/// That of a request for so many choices.
fn exchange_of(n: usize, stream: bool, meter: &Meter) -> Box<dyn Exchange> {
    exchange_with(&json!({ "stream": stream, "n": n }), meter)
}

/// That of a request with more members.
fn exchange_with(members: &Value, meter: &Meter) -> Box<dyn Exchange> {
    let mut body = json!({
        "model": "any", "messages": [{"role": "user", "content": "Hi"}],
        "stream_options": {"include_usage": true},
    });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let body = Document::parse(body.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(body));
    request.extensions_mut().insert(meter.clone());
    let dialect = Vertex::builder(Face::Gemini, "gemini-2.5-flash").api_key("gem-key-0123");
    let dialect = dialect.build().unwrap();
    dialect.prepare(Call::new(&request, &[])).unwrap().exchange
}

/// Plays a stream in pieces; gives the chunks, without what differs from call to call, and the end.
fn play(pieces: &[&[u8]]) -> (Vec<Value>, Result<(), Failure>) {
    let mut exchange = exchange(true, &Meter::new());
    let mut text = Vec::new();
    let mut end = None;
    for piece in pieces {
        let streamed = exchange.chunk(Bytes::copy_from_slice(piece));
        text.extend_from_slice(&streamed.data);
        end = streamed.end;
        if end.is_some() {
            break;
        }
    }
    let end = end.unwrap_or_else(|| {
        let streamed = exchange.end(None);
        text.extend_from_slice(&streamed.data);
        streamed.end.unwrap()
    });
    let text = String::from_utf8(text).unwrap();
    let data = text.split("\n\n").filter_map(|it| {
        assert!(!it.contains(['\n', '\r']), "{it:?}");
        it.strip_prefix("data: ")
    });
    let chunks = data.map(|data| {
        let mut chunk: Value = serde_json::from_str(data).unwrap_or_else(|_| data.into());
        let Some(members) = chunk.as_object_mut() else {
            return chunk;
        };
        members.remove("created");
        for choice in chunk["choices"].as_array_mut().into_iter().flatten() {
            for call in choice
                .pointer_mut("/delta/tool_calls")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                let id = call["id"].as_str().unwrap().to_owned();
                call["id"] = id
                    .chars()
                    .skip("call_".len() + 28)
                    .collect::<String>()
                    .into();
            }
        }
        chunk
    });
    (chunks.collect(), end)
}

fn event(value: &Value) -> String {
    format!("data: {value}\r\n\r\n")
}

fn part(part: &Value) -> Value {
    json!({
        "candidates": [{"content": {"role": "model", "parts": [part]}}],
        "usageMetadata": {"trafficType": "ON_DEMAND"}, "responseId": "r-1",
    })
}

fn whole() -> String {
    let call =
        json!({"functionCall": {"name": "f", "args": {"a": "ü"}}, "thoughtSignature": "SIG"});
    let last = json!({
        "candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 8, "candidatesTokenCount": 3, "thoughtsTokenCount": 2,
            "cachedContentTokenCount": 4, "totalTokenCount": 13,
        },
    });
    [
        event(&part(&json!({"text": "Grü", "thought": true}))),
        ": ping\n\n".to_owned(),
        event(&part(&json!({"text": "ße 👋"}))),
        event(&part(&call)),
        event(&part(&call)),
        event(&last),
    ]
    .concat()
}

fn chunks_of_whole() -> Vec<Value> {
    let chunk = |delta: Value, finish: Value| {
        json!({
            "id": "r-1", "object": "chat.completion.chunk", "model": "gemini-2.5-flash",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        })
    };
    let call = |index: u32| {
        json!({"tool_calls": [{
            "index": index, "id": "__thought__SIG", "type": "function",
            "function": {"name": "f", "arguments": r#"{"a":"ü"}"#},
            "provider_specific_fields": {"thought_signature": "SIG"},
        }]})
    };
    let thought = json!({
        "role": "assistant", "reasoning_content": "Grü",
        "thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "Grü"}],
    });
    vec![
        chunk(thought, Value::Null),
        chunk(json!({"content": "ße 👋"}), Value::Null),
        chunk(call(0), Value::Null),
        chunk(call(1), Value::Null),
        chunk(json!({}), "tool_calls".into()),
        json!({
            "id": "r-1", "object": "chat.completion.chunk", "model": "gemini-2.5-flash", "choices": [],
            "usage": {
                "prompt_tokens": 8, "completion_tokens": 5, "total_tokens": 13,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
                "cache_read_input_tokens": 4,
            },
        }),
        "[DONE]".into(),
    ]
}

/// Puts the lists of deltas together as OpenAI's own client does: by the place that each item names.
fn accumulated(chunks: &[Value], list: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for chunk in chunks {
        let items = chunk["choices"][0]["delta"][list].as_array();
        for item in items.into_iter().flatten() {
            let at = usize::try_from(item["index"].as_u64().unwrap()).unwrap();
            match all.get_mut(at) {
                Some(known) => {
                    for (name, value) in item.as_object().unwrap() {
                        match (known.get_mut(name), value) {
                            (Some(Value::String(old)), Value::String(new)) if name != "type" => {
                                old.push_str(new);
                            }
                            (_, value) => known[name] = value.clone(),
                        }
                    }
                }
                None => all.insert(at, item.clone()),
            }
        }
    }
    all
}

#[test]
fn blocks_of_thoughts_and_images_are_numbered_through_a_stream() {
    let parts = |parts: Value| json!({"candidates": [{"content": {"parts": parts}}]});
    let thought = |text: &str| json!({"text": text, "thought": true});
    let image = |data: &str| json!({"inlineData": {"mimeType": "image/png", "data": data}});
    let text = [
        parts(json!([thought("a"), thought("b")])),
        parts(json!([thought("c")])),
        parts(json!([{"text": "x"}, image("AA"), thought("d")])),
        parts(json!([{"text": "e", "thought": true, "thoughtSignature": "SIG"}, thought("f")])),
        parts(json!([image("BB")])),
    ];
    let text: String = text.iter().map(event).collect();
    let (chunks, _) = play(&[text.as_bytes()]);
    let block = |index: u32, thinking: &str| json!({"index": index, "type": "thinking", "thinking": thinking});
    let mut signed = block(1, "de");
    signed["signature"] = "SIG".into();
    let wanted = [block(0, "abc"), signed, block(2, "f")];
    assert_eq!(accumulated(&chunks, "thinking_blocks"), wanted);
    let urls: Vec<_> = accumulated(&chunks, "images")
        .iter()
        .map(|image| image["image_url"]["url"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        urls,
        ["data:image/png;base64,AA", "data:image/png;base64,BB"]
    );
}

#[test]
fn each_event_becomes_a_chunk() {
    let (chunks, end) = play(&[whole().as_bytes()]);
    assert_eq!(chunks, chunks_of_whole());
    end.unwrap();
}

#[test]
fn an_event_leaves_as_soon_as_it_is_whole() {
    let mut exchange = exchange(true, &Meter::new());
    let text = event(&part(&json!({"text": "a"})));
    let (first, last) = text.split_at(text.len() - 1);
    assert!(
        exchange
            .chunk(Bytes::copy_from_slice(&first.as_bytes()[..first.len() - 2]))
            .data
            .is_empty()
    );
    let rest = [&first.as_bytes()[first.len() - 2..], last.as_bytes()].concat();
    let streamed = exchange.chunk(rest.into());
    assert!(streamed.data.ends_with(b"\n\n") && streamed.end.is_none());
}

#[test]
fn a_stream_is_complete_once_each_choice_has_ended() {
    let text = json!({"text": "a"});
    let (_, end) = play(&[event(&part(&text)).as_bytes()]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::Disconnected);
    let (_, end) = play(&[]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::Disconnected);
    let two = json!({"candidates": [
        {"index": 0, "content": {"parts": [text]}, "finishReason": "STOP"},
        {"index": 1, "content": {"parts": [text]}},
    ]});
    let (_, end) = play(&[event(&two).as_bytes()]);
    assert!(end.is_err());
    let other = json!({"candidates": [{"index": 1, "finishReason": "MAX_TOKENS"}]});
    let (chunks, end) = play(&[event(&two).as_bytes(), event(&other).trim_end().as_bytes()]);
    end.unwrap();
    let finish = |at: usize| chunks[at]["choices"][0]["finish_reason"].clone();
    assert_eq!((finish(2), finish(3)), (json!("stop"), json!("length")));
    // The connection broke, but all had come.
    let mut exchange = exchange(true, &Meter::new());
    let done = json!({"candidates": [{"finishReason": "STOP"}]});
    exchange.chunk(event(&done).into());
    let streamed = exchange.end(Some(FailureKind::Disconnected.into()));
    streamed.end.unwrap().unwrap();
}

#[test]
fn a_stream_of_several_choices_is_not_complete_before_all_have_begun() {
    let ended = |index: u32| {
        event(&json!({"candidates": [
            {"index": index, "content": {"parts": [{"text": "a"}]}},
        ]})) + &event(&json!({"candidates": [{"index": index, "finishReason": "STOP"}]}))
    };
    let mut exchange = exchange_of(2, true, &Meter::new());
    exchange.chunk(ended(0).into());
    assert!(!exchange.is_complete());
    let streamed = exchange.end(Some(FailureKind::Disconnected.into()));
    assert!(streamed.end.unwrap().is_err());
    // One that ends well has fewer of them.
    let mut exchange = exchange_of(2, true, &Meter::new());
    exchange.chunk(ended(0).into());
    exchange.end(None).end.unwrap().unwrap();
    let mut exchange = exchange_of(2, true, &Meter::new());
    exchange.chunk((ended(0) + &ended(1)).into());
    assert!(exchange.is_complete());
}

#[test]
fn a_reason_to_end_ends_nothing_while_more_is_said() {
    let piece = |text: &str, reason: Option<&str>| {
        json!({"candidates": [{
            "content": {"parts": [{"text": text}]}, "finishReason": reason,
        }]})
    };
    // As older models have it: with every piece.
    let text = ["a", "b", "c"].map(|text| event(&piece(text, Some("STOP"))));
    let (chunks, end) = play(&[text.concat().as_bytes()]);
    end.unwrap();
    let said: Vec<_> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0])
        .map(|choice| {
            (
                choice["delta"]["content"].clone(),
                choice["finish_reason"].clone(),
            )
        })
        .collect();
    let wanted = [
        (json!("a"), json!(null)),
        (json!("b"), json!(null)),
        (json!("c"), json!(null)),
        (json!(null), json!("stop")),
        (json!(null), json!(null)),
        (json!(null), json!(null)),
    ];
    assert_eq!(said, wanted);
    assert_eq!(chunks[4]["usage"]["completion_tokens"], 3);
    assert_eq!(chunks[5], "[DONE]");
    // Before a tool of Google's, and then the words that it leads to: half of them are no answer.
    let text = [
        event(&json!({"candidates": [{"finishReason": "STOP"}]})),
        event(&piece("a", None)),
    ];
    let mut exchange = exchange(true, &Meter::new());
    exchange.chunk(text[0].clone().into());
    exchange.chunk(text[1].clone().into());
    assert!(!exchange.is_complete());
    let failure = exchange.end(None).end.unwrap().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Disconnected);
}

#[test]
fn sources_that_come_with_the_end_are_told() {
    let last = json!({"candidates": [{
        "content": {"parts": [{"text": ""}]}, "finishReason": "STOP", "groundingMetadata": {"webSearchQueries": ["q"]},
    }]});
    let text = [event(&part(&json!({"text": "a"}))), event(&last)].concat();
    let (chunks, end) = play(&[text.as_bytes()]);
    end.unwrap();
    let told: Vec<_> = chunks
        .iter()
        .filter_map(|it| it.get("vertex_ai_grounding_metadata"))
        .collect();
    assert_eq!(told, [&json!([{"webSearchQueries": ["q"]}])]);
    assert_eq!(chunks[2]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn an_event_of_several_lines_becomes_a_chunk_of_one() {
    let event = "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a\"}]},\ndata: \"safetyRatings\": [{\ndata: }]}]}\n\n";
    let (chunks, _) = play(&[event.as_bytes()]);
    assert_eq!(chunks[0]["choices"][0]["delta"]["content"], "a");
    assert_eq!(chunks[0]["vertex_ai_safety_results"], json!([[{}]]));
}

#[test]
fn a_whole_answer_is_known_before_its_stream_ends() {
    let mut exchange = exchange(true, &Meter::new());
    exchange.chunk(event(&part(&json!({"text": "a"}))).into());
    assert!(!exchange.is_complete());
    exchange.chunk(event(&json!({"candidates": [{"finishReason": "STOP"}]})).into());
    assert!(exchange.is_complete());
}

#[test]
fn errors_inside_streams_keep_their_meaning() {
    let error = |code: u16, status: &str, message: &str| json!({"error": {"code": code, "status": status, "message": message}});
    let cases = [
        (error(503, "UNAVAILABLE", "x"), FailureKind::Server, 503),
        (
            error(429, "RESOURCE_EXHAUSTED", "x"),
            FailureKind::RateLimited,
            429,
        ),
        (
            error(400, "INVALID_ARGUMENT", "The response was blocked."),
            FailureKind::ContentPolicy,
            400,
        ),
        (
            json!([error(403, "PERMISSION_DENIED", "x")]),
            FailureKind::PermissionDenied,
            403,
        ),
        (json!({"error": {"message": "x"}}), FailureKind::Server, 500),
        (json!({"error": "x"}), FailureKind::Server, 500),
        (json!([1]), FailureKind::InvalidResponse, 500),
    ];
    for (value, kind, status) in cases {
        let (_, end) = play(&[event(&value).as_bytes()]);
        let failure = end.unwrap_err();
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (kind, status),
            "{value}"
        );
    }
    let (_, end) = play(&[b"event: error\ndata: out of order\n\n"]);
    let failure = end.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Server);
    assert_eq!(failure.upstream().unwrap().message(), "out of order");
    // Some gateways send an empty one beside each answer.
    let mut fine = part(&json!({"text": "a"}));
    fine["error"] = json!({});
    let (chunks, _) = play(&[event(&fine).as_bytes()]);
    assert_eq!(chunks[0]["choices"][0]["delta"]["content"], "a");
}

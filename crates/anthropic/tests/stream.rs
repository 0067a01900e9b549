//! Streams, beyond what is recorded.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{exchange, hello};
use ziggurat_core::{Failure, FailureKind};

/// A stream with thoughts, text and two calls.
const RICH: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\",\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":7,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n",
    "event: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\\u00e9\"}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"sig\"}}\n\n",
    "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"I see 😀\"}}\n\n",
    "data: {\"type\":\"something_new\",\"index\":9}\n\n",
    "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "data: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}}\n\n",
    "data: {\"type\":\"content_block_stop\",\"index\":2}\n\n",
    "data: {\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}}}\n\n",
    "data: {\"type\":\"content_block_stop\",\"index\":3}\n\n",
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":20}}\n\n",
    "data: {\"type\":\"message_stop\"}\n\n",
);

struct Seen {
    text: String,
    end: Result<(), Failure>,
}

fn play(asked: &Value, pieces: &[Bytes]) -> Seen {
    let (mut exchange, _) = exchange(asked);
    let mut text = String::new();
    for piece in pieces {
        let streamed = exchange.chunk(piece.clone());
        text.push_str(std::str::from_utf8(&streamed.data).unwrap());
        if let Some(end) = streamed.end {
            return Seen { text, end };
        }
    }
    let streamed = exchange.end(None);
    text.push_str(std::str::from_utf8(&streamed.data).unwrap());
    let end = streamed.end.unwrap();
    Seen { text, end }
}

fn whole(asked: &Value, text: &str) -> Seen {
    play(asked, &[Bytes::copy_from_slice(text.as_bytes())])
}

fn chunks(text: &str) -> Vec<Value> {
    let data = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Ids and times differ between calls.
fn masked(text: &str) -> Vec<String> {
    let mask = |mut chunk: Value| {
        chunk["id"] = json!("");
        chunk["created"] = json!(0);
        chunk.to_string()
    };
    chunks(text).into_iter().map(mask).collect()
}

fn streaming() -> Value {
    let mut asked = hello();
    asked["stream"] = json!(true);
    asked["stream_options"] = json!({"include_usage": true});
    asked
}

#[test]
fn an_event_of_several_lines_becomes_a_chunk_of_one() {
    let text = concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\"}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\n",
        "data: \"type\":\"redacted_thinking\",\n",
        "data: \"data\":\"x\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"citations_delta\",\"citation\":{\r\n",
        "data: \"cited_text\":\"y\"}}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    );
    let seen = whole(&streaming(), text);
    seen.end.unwrap();
    for event in seen.text.trim_end().split("\n\n") {
        assert!(!event.contains(['\n', '\r']), "{event:?}");
    }
    let chunks = chunks(&seen.text);
    let delta = |at: usize| &chunks[at]["choices"][0]["delta"];
    assert_eq!(delta(0)["thinking_blocks"][0]["data"], "x");
    let fields = &delta(1)["provider_specific_fields"];
    assert_eq!(fields["citation"]["cited_text"], "y");
}

#[test]
fn every_event_becomes_its_chunk() {
    let seen = whole(&streaming(), RICH);
    seen.end.unwrap();
    assert!(seen.text.ends_with("data: [DONE]\n\n"));
    assert!(
        seen.text.starts_with(":\n\n"),
        "a ping keeps the connection alive"
    );
    let chunks = chunks(&seen.text);
    let deltas: Vec<_> = chunks
        .iter()
        .map(|chunk| chunk["choices"][0]["delta"].clone())
        .collect();
    let call = |index: u64, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
    let begun = |index: u64, id: &str, name: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]});
    assert_eq!(
        deltas[..],
        [
            json!({"role": "assistant", "reasoning_content": "hmé", "thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "hmé"}]}),
            json!({"reasoning_content": "", "thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "", "signature": "sig"}]}),
            json!({"content": "I see 😀"}),
            begun(0, "t1", "f"),
            call(0, "{\"a\":"),
            call(0, "1}"),
            begun(1, "t2", "g"),
            call(1, "{}"),
            json!({}),
            json!(null),
        ]
    );
    assert_eq!(chunks[8]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(chunks[9]["choices"], json!([]));
    assert_eq!(chunks[9]["usage"]["prompt_tokens"], 12);
    assert_eq!(chunks[9]["usage"]["completion_tokens"], 20);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["model"] == "claude" && chunk["id"] == chunks[0]["id"])
    );
}

/// What `accumulate_delta` of OpenAI's client for Python makes of the lists in deltas: it adds up by `index`, and raises
/// where there is none.
fn added_up(chunks: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let blocks = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["thinking_blocks"].as_array());
    for block in blocks.flatten() {
        let at = usize::try_from(block["index"].as_u64().unwrap()).unwrap();
        assert!(at <= all.len(), "{block}");
        let Some(known) = all.get_mut(at) else {
            all.push(block.clone());
            continue;
        };
        for name in ["thinking", "signature"] {
            let text = format!(
                "{}{}",
                known[name].as_str().unwrap_or_default(),
                block[name].as_str().unwrap_or_default()
            );
            known[name] = text.into();
        }
    }
    all
}

#[test]
fn thoughts_are_added_up_by_their_numbers() {
    let event = |data: Value| format!("data: {data}\n\n");
    let open = |index: u64, block: Value| {
        event(json!({"type": "content_block_start", "index": index, "content_block": block}))
    };
    let delta = |index: u64, delta: Value| {
        event(json!({"type": "content_block_delta", "index": index, "delta": delta}))
    };
    let close = |index: u64| event(json!({"type": "content_block_stop", "index": index}));
    let thought = |text: &str| json!({"type": "thinking_delta", "thinking": text});
    let signed = |text: &str| json!({"type": "signature_delta", "signature": text});
    let text = [
        event(json!({"type": "message_start", "message": {"model": "m"}})),
        // Nothing of it is ever shown: it takes no number.
        open(0, json!({"type": "thinking", "thinking": ""})), close(0),
        open(1, json!({"type": "text", "text": "x"})), close(1),
        open(2, json!({"type": "thinking", "thinking": "a"})),
        delta(2, thought("b")), delta(2, thought("c")), delta(2, signed("s")), close(2),
        open(3, json!({"type": "redacted_thinking", "data": "z"})), close(3),
        open(4, json!({"type": "thinking", "thinking": ""})), delta(4, signed("t")), close(4),
        event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}})),
        event(json!({"type": "message_stop"})),
    ].concat();
    let chunks = chunks(&whole(&streaming(), &text).text);
    assert_eq!(
        added_up(&chunks),
        [
            json!({"index": 0, "type": "thinking", "thinking": "abc", "signature": "s"}),
            json!({"index": 1, "type": "redacted_thinking", "data": "z"}),
            json!({"index": 2, "type": "thinking", "thinking": "", "signature": "t"}),
        ]
    );
    // How many tokens they were is not told, and not guessed.
    let usage = &chunks.last().unwrap()["usage"];
    assert_eq!(
        (
            &usage["completion_tokens"],
            usage.get("completion_tokens_details")
        ),
        (&json!(9), None)
    );
}

#[test]
fn what_openai_has_no_words_for_is_told_as_in_plain_answers() {
    let event = |data: Value| format!("data: {data}\n\n");
    let open = |index: u64, block: Value| {
        event(json!({"type": "content_block_start", "index": index, "content_block": block}))
    };
    let close = |index: u64| event(json!({"type": "content_block_stop", "index": index}));
    let input = |index: u64, text: &str| {
        let delta = json!({"type": "input_json_delta", "partial_json": text});
        event(json!({"type": "content_block_delta", "index": index, "delta": delta}))
    };
    let search = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    let found =
        json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"a": 1}]});
    let last = json!({"stop_reason": "stop_sequence", "stop_sequence": "END"});
    let text = [
        event(json!({"type": "message_start", "message": {"model": "m"}})),
        open(0, search),
        input(0, "{\"query\":"),
        input(0, "\"q\"}"),
        close(0),
        open(1, found.clone()),
        close(1),
        event(json!({"type": "message_delta", "delta": last})),
        event(json!({"type": "message_stop"})),
    ];
    let chunks = chunks(&whole(&streaming(), &text.concat()).text);
    let fields = |at: usize| chunks[at]["choices"][0]["delta"]["provider_specific_fields"].clone();
    let block = |at: usize| fields(at)["content_blocks"][0].clone();
    assert_eq!(
        (&block(0)["index"], &block(0)["input"]),
        (&json!(0), &json!({"query": "q"}))
    );
    assert_eq!(
        (&block(1)["index"], &block(1)["content"]),
        (&json!(1), &found["content"])
    );
    assert_eq!(fields(2), json!({"stop_sequence": "END"}));
    assert_eq!(chunks[2]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn input_that_never_ends_is_not_collected() {
    let open = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use"}});
    let delta = json!({"type": "input_json_delta", "partial_json": "x".repeat(100_000)});
    let delta = json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let delta = format!("data: {delta}\n\n").repeat(20);
    let failure = whole(&streaming(), &format!("data: {open}\n\n{delta}"))
        .end
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::InvalidResponse);
}

#[test]
fn tokens_are_metered_as_they_are_told() {
    let (mut exchange, meter) = exchange(&streaming());
    let start = RICH.find("\n\n").unwrap() + 2;
    exchange.chunk(RICH[..start].into());
    assert_eq!((meter.input(), meter.output()), (Some(12), Some(1)));
    exchange.chunk(RICH[start..].into());
    assert_eq!((meter.input(), meter.output()), (Some(12), Some(20)));
}

#[test]
fn a_stream_without_its_end_is_broken() {
    for event in ["message_stop", "message_delta", "content_block_stop"] {
        let at = RICH
            .rfind(&format!("data: {{\"type\":\"{event}\""))
            .unwrap();
        let seen = whole(&streaming(), &RICH[..at]);
        assert_eq!(seen.end.unwrap_err().kind(), FailureKind::Disconnected);
        assert!(!seen.text.contains("[DONE]") && !seen.text.contains("\"tool_calls\"}"));
    }
    // The blank line after the last event is all that may lack.
    whole(&streaming(), RICH.trim_end()).end.unwrap();
}

#[test]
fn errors_end_it_by_their_own_words() {
    let cases = [
        ("overloaded_error", "Overloaded", FailureKind::Server, 500),
        (
            "rate_limit_error",
            "slow down",
            FailureKind::RateLimited,
            429,
        ),
        ("api_error", "oops", FailureKind::Server, 500),
        ("timeout_error", "late", FailureKind::Timeout, 504),
        (
            "invalid_request_error",
            "prompt is too long: 3 > 2",
            FailureKind::ContextWindow,
            400,
        ),
        (
            "invalid_request_error",
            "Output blocked by content filtering policy",
            FailureKind::ContentPolicy,
            400,
        ),
    ];
    for (kind, message, expected, status) in cases {
        let error = json!({"type": "error", "error": {"type": kind, "message": message}});
        let half = &RICH[..RICH.find("data: {\"type\":\"something_new").unwrap()];
        let seen = whole(
            &streaming(),
            &format!("{half}event: error\ndata: {error}\n\n"),
        );
        let failure = seen.end.unwrap_err();
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (expected, status),
            "{kind}"
        );
        assert_eq!(failure.upstream().unwrap().message(), message);
        assert!(seen.text.contains("I see"));
    }
    for text in [
        "data: {\n\n",
        "data: 7\n\n",
        "eata: {\"type\":\"ping\"}\n\n",
        "data: {\"type\":\"content_block_start\"}\n\n",
    ] {
        let failure = whole(&streaming(), text).end.unwrap_err();
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (FailureKind::InvalidResponse, 500),
            "{text}"
        );
    }
    // As OpenAI's: an end before the beginning is no end.
    let failure = whole(&streaming(), "data: {\"type\":\"message_stop\"}\n\n");
    assert_eq!(failure.end.unwrap_err().kind(), FailureKind::Disconnected);
    let failure = whole(&streaming(), "event: error\ndata: upstream gone\n\n")
        .end
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Server);
    // As a server before the API says it.
    for data in [
        r#"{"error":{"message":"gone"}}"#,
        r#"{"error":"gone"}"#,
        r#"{"object":"error","message":"gone"}"#,
    ] {
        let failure = whole(&streaming(), &format!("event: message\ndata: {data}\n\n"))
            .end
            .unwrap_err();
        assert_eq!(failure.upstream().unwrap().message(), "gone", "{data}");
    }
}

#[test]
fn the_json_tool_becomes_content() {
    let mut asked = streaming();
    asked["response_format"] =
        json!({"type": "json_schema", "json_schema": {"schema": {"type": "object"}}});
    let text = RICH.replace("\"name\":\"f\"", "\"name\":\"json_tool_call\"");
    let seen = whole(&asked, &text);
    let chunks = chunks(&seen.text);
    let content: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(content, "I see 😀{\"a\":1}");
    let calls = chunks
        .iter()
        .filter(|chunk| chunk["choices"][0]["delta"].get("tool_calls").is_some());
    assert!(
        calls
            .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
            .all(|call| call["index"] == 0)
    );
    // Alone it ends the answer as text does; a second one says nothing more.
    let text = text.replace("\"name\":\"g\"", "\"name\":\"json_tool_call\"");
    let seen = whole(&asked, &text);
    assert!(seen.text.contains("\"finish_reason\":\"stop\"") && !seen.text.contains("tool_calls"));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_chunks(cuts in proptest::collection::vec(0..RICH.len(), 0..40)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let text = RICH.as_bytes();
        let (mut pieces, mut from) = (Vec::new(), 0);
        for cut in cuts.into_iter().chain([text.len()]) {
            pieces.push(Bytes::copy_from_slice(&text[from..cut]));
            from = cut;
        }
        let seen = play(&streaming(), &pieces);
        prop_assert!(seen.end.is_ok());
        prop_assert_eq!(masked(&seen.text), masked(&whole(&streaming(), RICH).text));
    }
}

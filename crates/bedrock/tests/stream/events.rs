//! What events become.

use serde_json::{Value, json};
use ziggurat_core::{FailureKind, Meter};

use crate::{
    delta, event, exception, exchange, message, read, read_whole, start, stop, text, used,
};

fn tool(block: u64, id: &str, name: &str) -> Vec<u8> {
    let start = json!({"toolUse": {"toolUseId": id, "name": name}});
    event(
        "contentBlockStart",
        &json!({"contentBlockIndex": block, "start": start}),
    )
}

fn input(block: u64, json: &str) -> Vec<u8> {
    delta(block, &json!({"toolUse": {"input": json}}))
}

fn block_stop(block: u64) -> Vec<u8> {
    event("contentBlockStop", &json!({ "contentBlockIndex": block }))
}

fn tools(names: &[&str]) -> Value {
    let tool = |name: &&str| json!({"type": "function", "function": {"name": name}});
    json!({ "tools": names.iter().map(tool).collect::<Vec<_>>() })
}

#[test]
fn a_text_has_its_role_once_and_its_reason_at_the_end() {
    let stream = [start(), text("a"), text("b"), stop("end_turn"), used()].concat();
    let read = read_whole(&json!({}), &stream);
    assert!(read.end.as_ref().unwrap().is_ok());
    let events = read.events();
    let choice = |at: usize| events[at]["choices"][0].clone();
    assert_eq!(
        choice(0)["delta"],
        json!({"role": "assistant", "content": "a"})
    );
    assert_eq!(choice(1)["delta"], json!({"content": "b"}));
    assert_eq!(
        choice(2),
        json!({"index": 0, "delta": {}, "finish_reason": "stop"})
    );
    assert_eq!(events[3], "[DONE]");
    assert_eq!(events.len(), 4);
}

#[test]
fn the_meter_is_told_and_the_client_if_it_asks() {
    let stream = [text("a"), stop("end_turn"), used()].concat();
    let meter = Meter::new();
    let asked = json!({"stream_options": {"include_usage": true}});
    let model = "anthropic.claude-3-5-sonnet-20241022-v2:0";
    let read = read(exchange(model, &asked, Some(meter.clone())), &[&stream]);
    assert_eq!((meter.input(), meter.output()), (Some(27), Some(3)));
    let usage = read.events()[2].clone();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["prompt_tokens"], 27);
    assert_eq!(usage["usage"]["prompt_tokens_details"]["cached_tokens"], 20);
    let details = json!({"reasoning_tokens": 0, "text_tokens": 3});
    assert_eq!(usage["usage"]["completion_tokens_details"], details);
    let silent = Meter::new();
    let plain = crate::read(
        exchange(model, &json!({}), Some(silent.clone())),
        &[&stream],
    );
    assert_eq!(silent.total(), Some(30));
    assert!(!plain.text.contains("usage"));
}

/// R189: who asks for the usage gets one: the upstream's, or an estimate if it tells none.
#[test]
fn usage_that_is_not_told_is_estimated() {
    let model = "anthropic.claude-3-5-sonnet-20241022-v2:0";
    let said = [
        text("a"),
        text("b"),
        text(&"c".repeat(40)),
        stop("end_turn"),
    ]
    .concat();
    let nothing = event("metadata", &json!({"metrics": {"latencyMs": 1}}));
    let asked = json!({"stream_options": {"include_usage": true}});
    for stream in [said.clone(), [said.clone(), nothing].concat()] {
        let meter = Meter::new();
        let read = read(exchange(model, &asked, Some(meter.clone())), &[&stream]);
        assert!(read.end.as_ref().unwrap().is_ok());
        let [.., usage, done] = &read.events()[..] else {
            panic!("{}", read.text);
        };
        // A quarter of the bytes of the messages, and of the answer.
        let prompt = json!([{"role": "user", "content": "hi"}]).to_string().len() / 4;
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(
            usage["usage"],
            json!({"prompt_tokens": prompt, "completion_tokens": 10, "total_tokens": prompt + 10})
        );
        assert_eq!(done, "[DONE]");
        assert_eq!((meter.input(), meter.output()), (None, Some(10)));
        let silent = Meter::new();
        let plain = crate::read(
            exchange(model, &json!({}), Some(silent.clone())),
            &[&stream],
        );
        assert!(!plain.text.contains("usage"), "{}", plain.text);
        assert_eq!(silent.output(), Some(10));
    }
    // What breaks off is no answer.
    let broken = read_whole(&asked, &text("a"));
    assert!(broken.end.as_ref().unwrap().is_err());
    assert!(!broken.text.contains("usage"), "{}", broken.text);
}

/// Those of Anthropic's format come in parts, of which the last is shown with the last event.
#[test]
fn what_was_told_counts_though_the_last_event_is_missing() {
    let chunk = |event: &Value| {
        let bytes = aws_smithy_types::base64::encode(event.to_string());
        crate::event("chunk", &json!({ "bytes": bytes }))
    };
    let start = json!({"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}});
    let text = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}});
    let stop = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}});
    let stream = [chunk(&start), chunk(&text), chunk(&stop)].concat();
    let meter = Meter::new();
    let asked = json!({"stream_options": {"include_usage": true}});
    let model = "invoke/anthropic.claude-3-5-sonnet-20241022-v2:0";
    let read = read(exchange(model, &asked, Some(meter.clone())), &[&stream]);
    assert!(read.end.as_ref().unwrap().is_ok());
    assert_eq!((meter.input(), meter.output()), (Some(7), Some(3)));
    assert_eq!(read.events()[2]["usage"]["total_tokens"], 10);
}

#[test]
fn parallel_calls_are_numbered_and_empty_ones_get_an_object() {
    let stream = [
        tool(1, "a", "first"),
        input(1, "{\"x\""),
        input(1, ":1}"),
        block_stop(1),
        tool(2, "b", "second_tool"),
        block_stop(2),
        stop("end_turn"),
    ];
    let read = read_whole(&tools(&["first", "second.tool"]), &stream.concat());
    let events = read.events();
    let call = |at: usize| events[at]["choices"][0]["delta"]["tool_calls"][0].clone();
    assert_eq!(
        (&call(0)["id"], &call(0)["index"]),
        (&json!("a"), &json!(0))
    );
    assert_eq!(call(2)["function"]["arguments"], ":1}");
    // The name as the client has it.
    assert_eq!(call(3)["function"]["name"], "second.tool");
    assert_eq!(
        (&call(4)["function"]["arguments"], &call(4)["index"]),
        (&json!("{}"), &json!(1))
    );
    assert_eq!(events[5]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn a_tool_that_stands_in_for_a_schema_is_the_content() {
    let schema = json!({"type": "object", "properties": {}});
    let asked = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}});
    let stream = [
        tool(0, "j", "json_tool_call"),
        input(0, "{\"a\":"),
        input(0, "1}"),
        block_stop(0),
        stop("tool_use"),
    ];
    let events = read_whole(&asked, &stream.concat()).events();
    let deltas = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    assert_eq!(deltas.collect::<String>(), "{\"a\":1}");
    assert_eq!(events[2]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn thoughts_come_with_what_it_takes_to_send_them_back() {
    let stream = [
        delta(0, &json!({"reasoningContent": {"text": "hm"}})),
        delta(0, &json!({"reasoningContent": {"signature": "sig"}})),
        delta(1, &json!({"reasoningContent": {"redactedContent": "xyz"}})),
        text("a"),
        stop("end_turn"),
    ];
    let events = read_whole(&json!({}), &stream.concat()).events();
    let delta = |at: usize| events[at]["choices"][0]["delta"].clone();
    assert_eq!(delta(0)["reasoning_content"], "hm");
    assert_eq!(delta(1)["thinking_blocks"][0]["signature"], "sig");
    assert_eq!(delta(2)["thinking_blocks"][0]["data"], "xyz");
    // Clients of OpenAI's add lists up by the index, which counts the thoughts.
    let index = |at: usize| delta(at)["thinking_blocks"][0]["index"].clone();
    assert_eq!([index(0), index(1), index(2)], [0, 0, 1]);
}

#[test]
fn thoughts_are_numbered_wherever_they_stand() {
    let thought =
        |block: u64, text: &str| delta(block, &json!({"reasoningContent": {"text": text}}));
    let stream = [
        text("a"),
        thought(2, "b"),
        thought(2, "c"),
        thought(5, "d"),
        stop("end_turn"),
        used(),
    ];
    let asked = json!({"stream_options": {"include_usage": true}});
    let events = read_whole(&asked, &stream.concat()).events();
    let index =
        |at: usize| events[at]["choices"][0]["delta"]["thinking_blocks"][0]["index"].clone();
    assert_eq!([index(1), index(2), index(3)], [0, 0, 1]);
    // How many tokens they were is not told, and not guessed.
    assert_eq!(events[5]["usage"].get("completion_tokens_details"), None);
}

#[test]
fn there_is_but_one_answer_of_a_schema() {
    let asked = json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}});
    let stream = [
        tool(0, "j", "json_tool_call"),
        input(0, "{\"a\":1}"),
        block_stop(0),
        tool(1, "k", "json_tool_call"),
        input(1, "{\"b\":2}"),
        block_stop(1),
        stop("tool_use"),
    ];
    let events = read_whole(&asked, &stream.concat()).events();
    let deltas = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    assert_eq!(deltas.collect::<String>(), "{\"a\":1}");
}

#[test]
fn a_stopped_answer_is_complete_though_its_connection_stays_open() {
    let mut exchange = exchange("amazon.nova-pro-v1:0", &json!({}), None);
    exchange.chunk(text("a").into());
    assert!(!exchange.is_complete());
    exchange.chunk(stop("end_turn").into());
    assert!(exchange.is_complete());
}

#[test]
fn blocks_that_never_end_are_not_collected() {
    let stream: Vec<u8> = (0..1000).flat_map(|block| tool(block, "a", "f")).collect();
    assert_eq!(
        read_whole(&json!({}), &stream).failure().kind(),
        FailureKind::InvalidResponse
    );
}

#[test]
fn reasons_to_stop_have_openais_names() {
    let cases = [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "stop"),
    ];
    for (native, openai) in cases {
        let read = read_whole(&json!({}), &[text("a"), stop(native)].concat());
        assert_eq!(
            read.events()[1]["choices"][0]["finish_reason"],
            openai,
            "{native}"
        );
        assert!(
            read.end.unwrap().is_ok(),
            "the count of tokens may be missing"
        );
    }
}

#[test]
fn exceptions_are_failures_of_their_kind() {
    let cases = [
        ("throttlingException", FailureKind::RateLimited, 429),
        ("validationException", FailureKind::BadRequest, 400),
        ("modelTimeoutException", FailureKind::Timeout, 408),
        ("modelStreamErrorException", FailureKind::Server, 500),
        ("internalServerException", FailureKind::Server, 500),
        ("serviceUnavailableException", FailureKind::Server, 503),
        ("somethingNewException", FailureKind::Server, 500),
    ];
    for (name, kind, status) in cases {
        let read = read_whole(
            &json!({}),
            &[text("a"), exception(name, "no secret-bearer-key")].concat(),
        );
        let failure = read.failure();
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (kind, status),
            "{name}"
        );
        assert_eq!(failure.upstream().unwrap().message(), "no [redacted]");
        assert!(!read.text.contains("[DONE]"));
    }
    let long = exception(
        "validationException",
        "Input is too long for requested model.",
    );
    assert_eq!(
        read_whole(&json!({}), &long).failure().kind(),
        FailureKind::ContextWindow
    );
    let error = message(("error", ":error-code"), "internalServerException", "");
    assert_eq!(
        read_whole(&json!({}), &error).failure().kind(),
        FailureKind::Server
    );
}

#[test]
fn unknown_events_are_passed_over_and_unknown_messages_are_not() {
    let unknown = event("somethingNew", &json!({"a": 1}));
    let read = read_whole(&json!({}), &[unknown, text("a"), stop("end_turn")].concat());
    assert!(read.end.as_ref().unwrap().is_ok());
    let odd = message(("ping", ":event-type"), "x", "{}");
    let wrong = event("contentBlockDelta", &json!({"delta": 1}));
    for stream in [odd, wrong] {
        let read = read_whole(&json!({}), &stream);
        let failure = read.failure();
        assert_eq!(failure.kind(), FailureKind::InvalidResponse);
        // As with unreadable events of OpenAI's.
        assert_eq!(failure.status(), 500);
    }
}

//! Streams, read event by event.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{builder, exchange, stream};
use ziggurat_core::{FailureKind, Meter};
use ziggurat_provider::{Call, Dialect};

const CHAT: &str = "ibm/granite-3-8b-instruct";

fn chat(usage: bool) -> Value {
    json!({"model": "granite", "messages": [{"role": "user", "content": "hi"}], "stream": true, "stream_options": {"include_usage": usage}})
}

fn event(choices: &Value, usage: Option<Value>) -> String {
    let mut data = json!({"id": "chat-1", "model": CHAT, "created": 7, "choices": choices, "model_version": "1.1.0"});
    if let Some(usage) = usage {
        data["usage"] = usage;
    }
    format!("id: 1\nevent: message\ndata: {data}\n\n")
}

fn delta(delta: &Value, reason: Option<&str>) -> String {
    event(
        &json!([{"index": 0, "delta": delta, "finish_reason": reason}]),
        None,
    )
}

fn usage() -> String {
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    event(&json!([]), Some(usage))
}

/// The data of events, `[DONE]` as text.
fn chunks(text: &str) -> Vec<Value> {
    let data = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
        .collect()
}

fn play(text: &str, asked: &Value) -> (Vec<Value>, Result<(), FailureKind>) {
    let (out, end) = stream(exchange(builder(CHAT), asked), [text.as_bytes()]);
    (chunks(&out), end)
}

#[test]
fn chunks_bear_the_name_that_the_client_knows_and_the_usage_if_it_asks() {
    let text = [
        delta(&json!({"role": "assistant", "content": "a\u{1F600}"}), None),
        delta(&json!({"content": ""}), Some("stop")),
        usage(),
    ]
    .concat();
    let (got, end) = play(&text, &chat(true));
    assert_eq!(end, Ok(()));
    assert_eq!(got.len(), 4, "{got:?}");
    for chunk in &got[..3] {
        assert_eq!(chunk["model"], "granite");
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(
            (&chunk["id"], &chunk["created"]),
            (&json!("chat-1"), &json!(7))
        );
    }
    assert_eq!(got[0]["model_version"], "1.1.0");
    assert_eq!(
        (&got[2]["choices"], &got[2]["usage"]["total_tokens"]),
        (&json!([]), &json!(5))
    );
    assert_eq!(got[3], "[DONE]");
    let (got, end) = play(&text, &chat(false));
    assert_eq!((got.len(), end), (3, Ok(())));
    assert!(got.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[test]
fn the_meter_is_told_whatever_the_client_asks_for() {
    let meter = Meter::new();
    let mut request = support::request(&chat(false));
    request.extensions_mut().insert(meter.clone());
    let dialect = builder(CHAT).build().unwrap();
    let exchange = dialect.prepare(Call::new(&request, &[])).unwrap().exchange;
    let text = [delta(&json!({"content": "a"}), Some("stop")), usage()].concat();
    stream(exchange, [text.as_bytes()]).1.unwrap();
    assert_eq!((meter.input(), meter.output()), (Some(3), Some(2)));
}

/// R189: who asks for the usage gets one: the upstream's, or an estimate if it tells none.
#[test]
fn usage_that_is_not_told_is_estimated() {
    let text = [
        delta(&json!({"content": "a"}), None),
        delta(&json!({"content": "b"}), Some("stop")),
    ]
    .concat();
    for usage in [true, false] {
        let meter = Meter::new();
        let mut request = support::request(&chat(usage));
        request.extensions_mut().insert(meter.clone());
        let dialect = builder(CHAT).build().unwrap();
        let exchange = dialect.prepare(Call::new(&request, &[])).unwrap().exchange;
        let (out, end) = stream(exchange, [text.as_bytes()]);
        end.unwrap();
        assert_eq!((meter.input(), meter.output()), (None, Some(2)));
        let got = chunks(&out);
        let told = got.iter().find_map(|chunk| chunk.get("usage"));
        let prompt = json!([{"role": "user", "content": "hi"}]).to_string().len() / 4;
        let wanted =
            json!({"prompt_tokens": prompt, "completion_tokens": 2, "total_tokens": prompt + 2});
        assert_eq!(told, usage.then_some(&wanted));
        assert_eq!(got.last().unwrap(), "[DONE]");
    }
}

#[test]
fn a_stream_that_calls_tools_ends_with_tool_calls() {
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]});
    let text = [
        delta(&call, None),
        delta(&json!({"content": ""}), Some("stop")),
    ]
    .concat();
    let (got, end) = play(&text, &chat(false));
    assert_eq!(
        (&got[1]["choices"][0]["finish_reason"], end),
        (&json!("tool_calls"), Ok(()))
    );
    let (got, _) = play(
        &delta(&json!({"content": "a"}), Some("time_limit")),
        &chat(false),
    );
    assert_eq!(got[0]["choices"][0]["finish_reason"], "length");
}

#[test]
fn null_choices_are_an_empty_list() {
    let none = event(&Value::Null, None);
    let told = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let text = [
        none.clone(),
        delta(&json!({"content": "a"}), None),
        none,
        delta(&json!({"content": ""}), Some("stop")),
        event(&Value::Null, Some(told)),
    ]
    .concat();
    let (got, end) = play(&text, &chat(true));
    assert_eq!((got.len(), end), (4, Ok(())), "{got:?}");
    assert_eq!(
        (&got[2]["choices"], &got[2]["usage"]["total_tokens"]),
        (&json!([]), &json!(5))
    );
}

#[test]
fn a_list_of_no_calls_calls_no_tools() {
    for nothing in [json!([]), Value::Null] {
        let begun = delta(&json!({"content": "a", "tool_calls": nothing}), None);
        let (got, end) = play(&format!("{begun}data: [DONE]\n\n"), &chat(false));
        assert_eq!(end, Ok(()));
        assert_eq!(got[1]["choices"][0]["finish_reason"], "stop");
    }
}

#[test]
fn a_stream_without_its_end_is_broken() {
    let begun = delta(&json!({"content": "a"}), None);
    assert_eq!(play(&begun, &chat(false)).1, Err(FailureKind::Disconnected));
    assert_eq!(play("", &chat(false)).1, Err(FailureKind::Disconnected));
    assert_eq!(
        play(&usage(), &chat(false)).1,
        Err(FailureKind::Disconnected)
    );
    // A server between that says the end in OpenAI's way.
    let (got, end) = play(&format!("{begun}data: [DONE]\n\n"), &chat(false));
    assert_eq!((got.len(), end), (3, Ok(())));
    assert_eq!(got[1]["choices"][0]["finish_reason"], "stop");
    // One of two choices.
    let two = event(
        &json!([{"index": 0, "delta": {}, "finish_reason": "stop"}, {"index": 1, "delta": {}}]),
        None,
    );
    assert_eq!(play(&two, &chat(false)).1, Err(FailureKind::Disconnected));
}

/// Both of two choices have to have come, but for a server that ends well with fewer.
#[test]
fn a_stream_of_several_choices_is_not_complete_before_all_have_begun() {
    let mut asked = chat(false);
    asked["n"] = json!(2);
    let ended = |index: u32| {
        let choice = json!({"index": index, "delta": {"content": "a"}, "finish_reason": "stop"});
        event(&json!([choice]), None)
    };
    let mut one = exchange(builder(CHAT), &asked);
    one.chunk(ended(0).into());
    assert!(!one.is_complete());
    let streamed = one.end(Some(FailureKind::Disconnected.into()));
    assert!(streamed.end.unwrap().is_err());
    play(&ended(0), &asked).1.unwrap();
    let mut both = exchange(builder(CHAT), &asked);
    both.chunk((ended(0) + &ended(1)).into());
    assert!(both.is_complete());
}

#[test]
fn no_reason_ends_no_choice() {
    for reason in [json!(false), json!(0), json!("null"), json!("")] {
        let choices = json!([{"index": 0, "delta": {"content": "a"}, "finish_reason": reason}]);
        let (_, end) = play(&event(&choices, None), &chat(false));
        assert_eq!(end, Err(FailureKind::Disconnected), "{reason}");
    }
}

/// What came of it is no answer.
#[test]
fn a_reason_of_an_answer_that_broke_off_breaks_the_stream() {
    for reason in ["error", "cancelled"] {
        let text = delta(&json!({"content": "a"}), None) + &delta(&json!({}), Some(reason));
        let (got, end) = play(&text, &chat(false));
        assert_eq!((got.len(), end), (1, Err(FailureKind::Server)), "{reason}");
        let results = json!([{"generated_text": "a", "stop_reason": reason.to_ascii_uppercase()}]);
        let text = format!("data: {}\n\n", json!({"results": results}));
        let exchange = exchange(builder("m").text_generation(true), &chat(false));
        let (_, end) = stream(exchange, [text.as_bytes()]);
        assert_eq!(end, Err(FailureKind::Server), "{reason}");
    }
}

#[test]
fn errors_in_a_stream_are_failures() {
    let begun = delta(&json!({"content": "a"}), None);
    let cases = [
        (
            r#"event: error
data: {"errors":[{"code":"downstream_request_failed","message":"boom"}],"status_code":500}"#,
            FailureKind::Server,
        ),
        (
            r#"data: {"errors":[{"code":"rate_limit_reached_requests","message":"slow"}]}"#,
            FailureKind::RateLimited,
        ),
        (
            r#"data: {"errors":[{"code":"x","message":"no"}],"status_code":401}"#,
            FailureKind::Authentication,
        ),
        ("event: error\ndata: not json", FailureKind::Server),
        ("data: {\"choices\": [", FailureKind::InvalidResponse),
        ("data: {\"choices\": 7}", FailureKind::InvalidResponse),
        ("data: [1]", FailureKind::InvalidResponse),
        ("eata: {\"choices\": []}", FailureKind::InvalidResponse),
    ];
    for (bad, kind) in cases {
        let (got, end) = play(&format!("{begun}{bad}\n\n"), &chat(false));
        assert_eq!((got.len(), end), (1, Err(kind)), "{bad}");
    }
}

#[test]
fn events_of_unknown_shape_and_pings_are_no_chunks() {
    let text = [
        ": ping\n\n".to_owned(),
        "event: system\ndata: {\"system\":{\"warnings\":[]}}\n\n".to_owned(),
        delta(&json!({"content": "a"}), Some("stop")),
    ]
    .concat();
    let (got, end) = play(&text, &chat(false));
    assert_eq!((got.len(), end), (2, Ok(())));
}

#[test]
fn generated_text_becomes_chunks() {
    let piece = |text: &str, count: u64, input: u64, reason: &str| {
        let data = json!({"model_id": "m", "results": [{
            "generated_text": text, "generated_token_count": count, "input_token_count": input, "stop_reason": reason,
        }]});
        format!("event: message\ndata: {data}\n\n")
    };
    let text = [
        piece("Ro", 1, 12, "not_finished"),
        piece("ses", 2, 0, "NOT_FINISHED"),
        piece("", 3, 0, "max_tokens"),
    ]
    .concat();
    let asked = json!({"messages": [{"role": "user", "content": "x"}], "stream": true, "stream_options": {"include_usage": true}});
    let builder = || builder("ibm/granite-13b-chat-v2").text_generation(true);
    let (out, end) = stream(exchange(builder(), &asked), [text.as_bytes()]);
    let got = chunks(&out);
    assert_eq!(end, Ok(()));
    assert_eq!(
        got[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "Ro"})
    );
    assert_eq!(got[1]["choices"][0]["delta"], json!({"content": "ses"}));
    assert_eq!(got[2]["choices"][0]["finish_reason"], "length");
    assert_eq!(
        got[3]["usage"],
        json!({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15})
    );
    assert!(
        got[0]["id"].as_str().unwrap().starts_with("chatcmpl-") && got[0]["id"] == got[3]["id"]
    );
    let half = piece("Ro", 1, 12, "not_finished");
    let (_, end) = stream(exchange(builder(), &asked), [half.as_bytes()]);
    assert_eq!(end, Err(FailureKind::Disconnected));
}

fn whole() -> String {
    [
        ": ping\n\n".to_owned(),
        delta(
            &json!({"role": "assistant", "content": "T\u{14d}ky\u{14d} \u{1F600}"}),
            None,
        ),
        delta(
            &json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}),
            None,
        ),
        delta(&json!({"content": ""}), Some("stop")),
        usage(),
    ]
    .concat()
}

proptest! {
    #[test]
    fn any_split_gives_the_same_chunks(cuts in proptest::collection::vec(0_usize..2_000, 0..12), crlf in any::<bool>()) {
        let text = if crlf { whole().replace('\n', "\r\n") } else { whole() };
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]);
        let (got, end) = stream(exchange(builder(CHAT), &chat(true)), pieces);
        let (wanted, _) = stream(exchange(builder(CHAT), &chat(true)), [text.as_bytes()]);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(chunks(&got), chunks(&wanted));
    }

    #[test]
    fn arbitrary_bytes_end_in_a_failure_or_a_stream(pieces in proptest::collection::vec(
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..64),
            Just(b"data: {\"choices\":[{\"finish_reason\":\"x\"}]}\n\n".to_vec()),
            Just(b"data: {\"choices\":[{\"index\":-1,\"delta\":[]}],\"usage\":1}\n\n".to_vec()),
            Just(b"data: {\"results\":[{\"generated_text\":null}]}\n\n".to_vec()),
            Just(b"event: error\ndata: ".to_vec()),
            Just(b"data: [DONE]\n\n".to_vec()),
        ], 0..8), text in any::<bool>())
    {
        let asked = json!({"messages": [{"role": "user", "content": "hi"}], "stream": true});
        let exchange = exchange(builder(CHAT).text_generation(text), &asked);
        let (out, end) = stream(exchange, pieces.iter().map(Vec::as_slice));
        prop_assert_eq!(out.ends_with("data: [DONE]\n\n"), end.is_ok());
    }
}

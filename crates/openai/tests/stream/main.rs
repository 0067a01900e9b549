//! Streams, as the client gets them: no network, only the dialect.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod choices;
mod errors;
mod model;
mod odd;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind, JsonBody, ModelGroup, Operation, json::Document};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{Call, Dialect, Exchange};

fn exchange(face: Face, include_usage: bool) -> Box<dyn Exchange> {
    let request = json!({
        "model": "group", "messages": [], "stream": true, "stream_options": {"include_usage": include_usage},
    });
    exchange_of(face, Operation::Chat, &request)
}

fn exchange_of(face: Face, operation: Operation, request: &Value) -> Box<dyn Exchange> {
    let dialect = OpenAi::builder(face, "m")
        .api_base("http://upstream")
        .api_key("sk-very-secret-key")
        .build()
        .unwrap();
    let document = Document::parse(request.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document));
    request.extensions_mut().insert(operation);
    request.extensions_mut().insert(ModelGroup::new("group"));
    dialect.prepare(Call::new(&request, &[])).unwrap().exchange
}

/// Plays frames, then the end of the body.
fn play(frames: &[&[u8]]) -> (String, Result<(), Failure>) {
    play_on(exchange(Face::OpenAi, false), frames, None)
}

fn play_on(
    mut exchange: Box<dyn Exchange>,
    frames: &[&[u8]],
    broken: Option<Failure>,
) -> (String, Result<(), Failure>) {
    let mut text = Vec::new();
    for frame in frames {
        let streamed = exchange.chunk(Bytes::copy_from_slice(frame));
        text.extend_from_slice(&streamed.data);
        if let Some(end) = streamed.end {
            return (String::from_utf8(text).unwrap(), end);
        }
    }
    let streamed = exchange.end(broken);
    text.extend_from_slice(&streamed.data);
    (String::from_utf8(text).unwrap(), streamed.end.unwrap())
}

fn chunk(index: u64, content: &str, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": "c1", "created": 1, "model": "m",
        "choices": [{"index": index, "delta": {"content": content}, "finish_reason": finish}],
    });
    format!("data: {chunk}\n\n")
}

/// A chunk as OpenAI lays it out; two of them differ in more than the content.
fn padded(content: &str, padding: &str) -> String {
    let choice = format!(r#"{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":null}}"#);
    format!(
        "data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{choice}],\"obfuscation\":\"{padding}\"}}\n\n"
    )
}

const DONE: &str = "data: [DONE]\n\n";

/// The data of the events, read.
fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
        .collect()
}

// === the end (D10) ===

#[test]
fn a_complete_stream_changes_in_nothing_but_the_name() {
    let stream =
        chunk(0, "hi", None) + &chunk(0, " you", None) + &chunk(0, "", Some("stop")) + DONE;
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    assert_eq!(text, stream.replace(r#""model":"m""#, r#""model":"group""#));
}

#[test]
fn done_is_added_to_a_stream_whose_choices_have_finished() {
    let stream = chunk(0, "hi", None)
        + &chunk(1, "ho", None)
        + &chunk(0, "", Some("stop"))
        + &chunk(1, "", Some("length"));
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    assert!(text.ends_with(DONE));
}

#[test]
fn a_connection_that_breaks_after_the_finish_breaks_nothing() {
    let broken = Failure::new(FailureKind::Disconnected);
    let stream = chunk(0, "hi", Some("stop"));
    let (text, end) = play_on(
        exchange(Face::OpenAi, false),
        &[stream.as_bytes()],
        Some(broken),
    );
    assert!(end.is_ok());
    assert!(text.ends_with(DONE));
}

#[test]
fn a_finish_is_added_to_a_stream_that_only_says_done() {
    let stream = chunk(0, "hi", None) + &chunk(2, "ho", None) + DONE;
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    let events = events(&text);
    let [.., first, second, done] = &events[..] else {
        panic!("{events:?}")
    };
    for (chunk, index) in [(first, 0), (second, 2)] {
        let choice = json!({"index": index, "delta": {}, "finish_reason": "stop"});
        let object = "chat.completion.chunk";
        assert_eq!(
            *chunk,
            json!({"id": "c1", "created": 1, "model": "group", "object": object, "choices": [choice]})
        );
    }
    assert_eq!(done, "[DONE]");
}

#[test]
fn the_finish_that_is_added_after_tool_calls_names_them() {
    let chunk = |delta: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": null});
        format!(
            "data: {}\n\n",
            json!({"id": "c", "model": "m", "choices": [choice]})
        )
    };
    let text = chunk(json!({"content": "a"}));
    let call = chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}));
    for stream in [call.clone() + DONE, text.clone() + &text + &call + DONE] {
        let (text, end) = play(&[stream.as_bytes()]);
        assert!(end.is_ok());
        assert!(text.contains(r#""finish_reason":"tool_calls""#), "{stream}");
    }
}

#[test]
fn a_stream_without_an_end_is_broken() {
    let half = chunk(0, "hi", None) + &chunk(1, "ho", None) + &chunk(0, "", Some("stop"));
    for stream in ["", ": ping\n\n", DONE, &half] {
        let (text, end) = play(&[stream.as_bytes()]);
        assert_eq!(
            end.unwrap_err().kind(),
            FailureKind::Disconnected,
            "{stream:?}"
        );
        assert!(!text.contains("[DONE]"));
    }
}

#[test]
fn a_break_keeps_its_cause() {
    let broken = Failure::new(FailureKind::InvalidResponse);
    let stream = chunk(0, "hi", None);
    let (_, end) = play_on(
        exchange(Face::OpenAi, false),
        &[stream.as_bytes()],
        Some(broken),
    );
    assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
}

#[test]
fn nothing_passes_after_done() {
    let stream = chunk(0, "hi", Some("stop")) + DONE + &chunk(0, "late", None);
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    assert!(text.ends_with(DONE));
}

#[test]
fn the_last_event_may_lack_its_blank_line() {
    let stream = chunk(0, "hi", None) + chunk(0, "", Some("stop")).trim_end();
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    assert_eq!(events(&text).len(), 3);
    assert!(text.ends_with(&format!("\n\n{DONE}")));
}

// === errors ===

#[test]
fn an_event_that_cannot_be_read_ends_a_stream() {
    let stream = chunk(0, "hi", None) + "data: {\"choices\n\n";
    let (_, end) = play(&[stream.as_bytes()]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
}

#[test]
fn content_is_not_mistaken_for_what_it_looks_like() {
    let content = r#"{"error":{"message":"x"},"finish_reason":"stop","delta":{}} "},"finish_reason":"stop"}]}"#;
    let stream = chunk(0, "a", None) + &chunk(0, content, None) + &chunk(0, content, None);
    let (text, end) = play(&[stream.as_bytes()]);
    assert_eq!(
        end.unwrap_err().kind(),
        FailureKind::Disconnected,
        "no choice has finished"
    );
    assert_eq!(events(&text)[2]["choices"][0]["delta"]["content"], content);
}

#[test]
fn a_finish_with_content_is_seen() {
    let one = chunk(0, "a", None);
    // The same bytes before the delta, the same after the finish reason.
    let stream = one.clone() + &one + &one.replace("null", "\"stop\"");
    let (_, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
}

#[test]
fn a_finish_reason_that_only_comes_when_there_is_one_is_seen() {
    let chunk = |rest: &str| {
        format!(
            "data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"a\"}}{rest}}}]}}\n\n"
        )
    };
    let stream = chunk("") + &chunk("") + &chunk(r#","finish_reason":"stop""#);
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    assert!(text.ends_with(DONE));
}

// === what upstreams do ===

#[test]
fn a_name_that_stands_after_the_content_is_changed_too() {
    let chunk = |content: &str, finish: &str| {
        format!(
            "data: {{\"choices\":[{{\"content_filter_results\":{{}},\"delta\":{{\"content\":\"{content}\"}},\
             \"finish_reason\":{finish},\"index\":0}}],\"created\":1,\"id\":\"c1\",\"model\":\"gpt-35\"}}\r\n\r\n"
        )
    };
    let stream =
        chunk("a", "null") + &chunk("bc", "null") + &chunk("d", "null") + &chunk("", "\"stop\"");
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    assert_eq!(text, stream.replace("gpt-35", "group") + DONE);
}

#[test]
fn padding_after_the_content_passes() {
    let chunk = |content: &str, padding: &str| {
        chunk(0, content, None).replace("}\n\n", &format!(",\"obfuscation\":\"{padding}\"}}\n\n"))
    };
    let stream = chunk("a", "xyz") + &chunk("b", "") + &chunk("c", "abcdefg") + DONE;
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    assert!(text.starts_with(&stream.replace(r#""m""#, r#""group""#).replace(DONE, "")));
}

#[test]
fn chunks_without_choices_are_for_those_who_asked() {
    let usage = r#"{"id":"c1","model":"m","choices":[],"usage":{"total_tokens":3}}"#;
    let filter = r#"{"id":"","model":"","choices":[],"prompt_filter_results":[]}"#;
    let stream = format!(
        "data: {filter}\n\n{}data: {usage}\n\n{DONE}",
        chunk(0, "hi", Some("stop"))
    );
    let (without, _) = play(&[stream.as_bytes()]);
    assert_eq!(events(&without).len(), 2);
    let (with, _) = play_on(exchange(Face::Azure, true), &[stream.as_bytes()], None);
    let events = events(&with);
    assert_eq!(events.len(), 3);
    assert_eq!(
        (&events[1]["model"], &events[1]["usage"]["total_tokens"]),
        (&json!("group"), &json!(3))
    );
}

#[test]
fn a_stream_without_an_id_gets_one() {
    let one = chunk(0, "hi", None).replace("c1", "");
    let stream = one.clone() + &one + DONE;
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    let events = events(&text);
    let id = events[0]["id"].as_str().unwrap();
    assert!(id.starts_with("chatcmpl-"));
    assert!(
        events[..3].iter().all(|event| event["id"] == id),
        "{events:?}"
    );
}

#[test]
fn finish_reasons_get_the_names_that_clients_know() {
    let stream = chunk(0, "hi", Some("eos_token")) + DONE;
    let (text, _) = play(&[stream.as_bytes()]);
    assert_eq!(events(&text)[0]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn comments_pass_and_data_on_several_lines_is_joined() {
    let stream = b": ping\n\ndata: {\"model\": \"m\",\ndata:  \"choices\": [{\"index\": 0, \"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n";
    let (text, end) = play(&[stream]);
    assert!(end.is_ok());
    assert!(text.starts_with(": ping\n\n"));
    assert_eq!(events(&text)[0]["model"], "group");
}

#[test]
fn a_comment_with_a_key_is_a_sign_of_life_and_nothing_else() {
    let (text, _) = play(&[b": Bearer sk-very-secret-key\n: ping\n\n"]);
    assert!(text.starts_with(": ping\n\n"), "{text}");
    let (text, _) = play(&[b": Bearer sk-very-secret-key\n\n"]);
    assert!(text.starts_with(":\n\n"), "{text}");
}

/// R189: who asks for the usage gets one: the upstream's, or an estimate if it tells none.
#[test]
fn usage_that_is_asked_for_is_estimated_where_none_is_told() {
    let text = [chunk(0, "one", None), chunk(0, " two", Some("stop"))].concat();
    let told =
        "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n";
    let within = "data: {\"id\":\"c1\",\"model\":\"m\",\"usage\":{\"total_tokens\":3}}\n\n";
    for end in [DONE, ""] {
        let stream = [&text, end].concat();
        let (played, ended) = play_on(exchange(Face::OpenAi, true), &[stream.as_bytes()], None);
        ended.unwrap();
        let usage = &events(&played)[2];
        let expected = json!({
            "id": "c1", "created": 1, "model": "group", "object": "chat.completion.chunk", "choices": [],
            "usage": {"prompt_tokens": 0, "completion_tokens": 2, "total_tokens": 2},
        });
        assert_eq!(usage, &expected);
        for told in [told, within] {
            let stream = [&text, told, end].concat();
            let exchange = exchange(Face::OpenAi, true);
            let (played, ended) = play_on(exchange, &[stream.as_bytes()], None);
            ended.unwrap();
            assert_eq!(played.matches("usage").count(), 1, "{played}");
        }
        let (played, ended) = play(&[[&text, end].concat().as_bytes()]);
        ended.unwrap();
        assert!(!played.contains("usage"), "{played}");
    }
    // What breaks off is no answer.
    let (played, ended) = play_on(
        exchange(Face::OpenAi, true),
        &[&text.as_bytes()[..20]],
        None,
    );
    ended.unwrap_err();
    assert!(!played.contains("usage"), "{played}");
}

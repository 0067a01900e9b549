//! Streams of Anthropic's Messages that break after their first content has gone out.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use common::{
    Req, general, group_of,
    streams::{Seen, broken, play, streaming, whole},
};
use http::{Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{
    FailureKind, LlmRequest, Operation,
    json::Document,
    overrides::{Parameters, Prefilled},
};
use ziggurat_fallback::{FallbackLayer, MAX_KEPT, StreamRecovery};

fn layer() -> FallbackLayer {
    general(&[("a", &["b", "c"])]).stream_recovery(StreamRecovery::Restart)
}

fn asking() -> Req {
    let mut request = streaming();
    request.extensions_mut().insert(Operation::Messages);
    request
}

fn event(data: &Value) -> String {
    format!(
        "event: {}\ndata: {data}\n\n",
        data["type"].as_str().unwrap()
    )
}

fn begins(id: &str) -> String {
    let usage = json!({"input_tokens": id.len(), "output_tokens": 1});
    event(
        &json!({"type": "message_start", "message": {"id": id, "model": id, "content": [], "usage": usage}}),
    )
}

fn block(index: u64, block: impl Into<Value>) -> String {
    let block: Value = block.into();
    event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn text_block(index: u64) -> String {
    block(index, json!({"type": "text", "text": ""}))
}

fn piece(index: u64, kind: &str, text: &str) -> String {
    let name = match kind {
        "input_json_delta" => "partial_json",
        _ => kind.strip_suffix("_delta").unwrap(),
    };
    event(
        &json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, name: text}}),
    )
}

fn says(index: u64, text: &str) -> String {
    piece(index, "text_delta", text)
}

fn stop(index: u64) -> String {
    event(&json!({"type": "content_block_stop", "index": index}))
}

fn ends(reason: &str, tokens: u64) -> String {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    event(&json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": tokens}}))
        + &event(&json!({"type": "message_stop"}))
}

/// A whole message of one text in these pieces.
fn message(id: &str, pieces: &[&str]) -> String {
    let pieces: String = pieces.iter().map(|text| says(0, text)).collect();
    begins(id) + &text_block(0) + &pieces + &stop(0) + &ends("end_turn", 7)
}

/// A text that a client puts together as the SDKs do: every event belongs to the block that is open.
#[derive(Debug, Default, PartialEq)]
struct Told {
    id: String,
    blocks: Vec<(Value, String)>,
    end: Option<Value>,
    over: bool,
}

#[track_caller]
fn told(bytes: &str) -> Told {
    let mut told = Told::default();
    let mut open = None;
    for data in bytes.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data).unwrap();
        assert!(!told.over, "{bytes}");
        match event["type"].as_str().unwrap() {
            "message_start" => {
                assert_eq!(told.id, "", "{bytes}");
                told.id = event["message"]["id"].as_str().unwrap().to_owned();
            }
            "content_block_start" => {
                assert_eq!(
                    (open, &event["index"]),
                    (None, &json!(told.blocks.len())),
                    "{bytes}"
                );
                open = Some(told.blocks.len());
                told.blocks
                    .push((event["content_block"].clone(), String::new()));
            }
            "content_block_delta" => {
                assert_eq!(event["index"], json!(open.expect(bytes)), "{bytes}");
                let members = event["delta"].as_object().unwrap();
                let texts = members.iter().filter(|(name, _)| *name != "type");
                let (_, text) = told.blocks.last_mut().unwrap();
                texts.for_each(|(_, piece)| text.push_str(piece.as_str().unwrap()));
            }
            "content_block_stop" => {
                assert_eq!(event["index"], json!(open.take().expect(bytes)), "{bytes}");
            }
            "message_delta" => {
                assert!(open.is_none() && told.end.is_none(), "{bytes}");
                told.end = Some(event);
            }
            "message_stop" => {
                assert_eq!(open, None, "{bytes}");
                told.over = true;
            }
            "ping" => {}
            other => panic!("{other}: {bytes}"),
        }
    }
    told
}

fn texts(told: &Told) -> Vec<&str> {
    told.blocks.iter().map(|(_, text)| &**text).collect()
}

#[tokio::test]
async fn another_group_goes_on_where_the_message_broke() {
    let first = begins("one") + &text_block(0) + &says(0, "a to") + &says(0, "wer");
    let bodies = [
        ("a", broken(first.clone())),
        ("b", whole(message("other", &["a", " tower of", " brick"]))),
    ];
    let seen = play(&layer(), asking(), bodies.into()).await;
    seen.end.as_ref().unwrap();
    assert!(seen.bytes.starts_with(&first), "{}", seen.bytes);
    let rest = says(0, " of") + &says(0, " brick") + &stop(0);
    assert!(
        seen.bytes[first.len()..].starts_with(&rest),
        "{}",
        seen.bytes
    );
    let told = told(&seen.bytes);
    assert_eq!((&*told.id, texts(&told)), ("one", vec!["a tower of brick"]));
    // What was used is all that the second says of it, of the prompt too.
    let usage = json!({"input_tokens": 5, "output_tokens": 7});
    assert_eq!(told.end.unwrap()["usage"], usage);
    assert_eq!(seen.asked, ["a", "b"]);
}

#[tokio::test]
async fn wherever_it_breaks_the_client_gets_the_whole_once() {
    let blocks = |id: &str, pieces: &[&str]| {
        let text: String = pieces.iter().map(|text| says(1, text)).collect();
        // The client keeps the first id that it hears.
        let tool = json!({"type": "tool_use", "id": id, "name": "get", "input": {}});
        let thinking = json!({"type": "thinking", "thinking": "", "signature": ""});
        let thought = block(0, thinking) + &piece(0, "thinking_delta", "hm") + &stop(0);
        let call = block(2, tool)
            + &piece(2, "input_json_delta", "{\"a\":")
            + &piece(2, "input_json_delta", "1}");
        thought + &text_block(1) + &text + &stop(1) + &call + &stop(2)
    };
    let ping = event(&json!({"type": "ping"}));
    let whole_of =
        |id: &str, pieces: &[&str]| begins(id) + &ping + &blocks(id, pieces) + &ends("tool_use", 7);
    let text = whole_of("one", &["é", "in Turm", " aus \"Ziegeln\""]);
    let again = whole_of("two", &["éin", " Turm aus", " \"Ziegeln\""]);
    for cut in 0..text.len() {
        let bodies = [
            ("a", broken(text.as_bytes()[..cut].to_vec())),
            ("b", whole(again.clone())),
        ];
        let seen = play(&layer(), asking(), bodies.into()).await;
        seen.end.as_ref().unwrap();
        let told = told(&seen.bytes);
        assert_eq!(
            texts(&told),
            ["hm", "éin Turm aus \"Ziegeln\"", "{\"a\":1}"],
            "{cut}"
        );
        assert!(told.over && told.end.is_some(), "{cut}");
    }
}

#[tokio::test]
async fn a_message_that_says_something_else_is_not_mixed_in() {
    let start = begins("one") + &text_block(0) + &says(0, "a tow");
    let other = |rest: String| begins("two") + &rest;
    let thinking = || block(0, json!({"type": "thinking", "thinking": ""}));
    for (first, other) in [
        (start.clone(), message("two", &["a to", "rch"])),
        (start.clone(), message("two", &["a"])),
        (
            start.clone(),
            other(event(&json!({"type": "message_stop"}))),
        ),
        (start.clone(), other(text_block(0) + &says(0, "a to"))),
        (start.clone(), other(text_block(0) + &ends("end_turn", 1))),
        (start.clone(), other(text_block(1) + &says(1, "a tower"))),
        (
            start.clone(),
            other(thinking() + &piece(0, "thinking_delta", "a tower")),
        ),
        (
            start.clone(),
            other(event(&json!({"type": "something_new"}))),
        ),
        (start.clone() + &stop(0), message("two", &["a tower"])),
        // What is sealed, or has an id that later blocks name, is never that of another answer.
        (
            begins("one") + &thinking() + &piece(0, "signature_delta", "s1"),
            other(
                thinking() + &piece(0, "signature_delta", "s2") + &stop(0) + &ends("end_turn", 1),
            ),
        ),
        (
            begins("one")
                + &block(
                    0,
                    json!({"type": "server_tool_use", "id": "t1", "name": "web_search", "input": {}}),
                ),
            other(block(
                0,
                json!({"type": "server_tool_use", "id": "t2", "name": "web_search", "input": {}}),
            )),
        ),
        (
            start.clone()
                + &stop(0)
                + ends("max_tokens", 1)
                    .split_inclusive("\n\n")
                    .next()
                    .unwrap(),
            message("two", &["a tow"]),
        ),
    ] {
        let bodies = [
            ("a", broken(first.clone())),
            ("b", whole(other.clone())),
            ("c", whole(message("three", &["a tower"]))),
        ];
        let seen = play(&layer(), asking(), bodies.into()).await;
        assert_eq!(seen.bytes, first, "{other}");
        let failure = seen.end.as_ref().unwrap_err();
        assert!(failure.message().unwrap().contains("repeats"), "{failure}");
        assert_eq!(
            (seen.failed(), &*seen.asked),
            (
                FailureKind::Disconnected,
                &["a".to_owned(), "b".to_owned()][..]
            )
        );
    }
}

#[tokio::test]
async fn a_second_break_is_recovered_with_all_that_was_sent() {
    let bodies = [
        ("a", broken(begins("one") + &text_block(0) + &says(0, "a"))),
        (
            "b",
            broken(begins("two") + &text_block(0) + &says(0, "a tower") + "data: {\"ty"),
        ),
        ("c", whole(message("three", &["a tower", " of brick"]))),
    ];
    let seen = play(&layer(), asking(), bodies.into()).await;
    seen.end.as_ref().unwrap();
    let told = told(&seen.bytes);
    assert_eq!((&*told.id, texts(&told)), ("one", vec!["a tower of brick"]));
    assert_eq!(seen.asked, ["a", "b", "c"]);
}

#[tokio::test]
async fn what_is_not_understood_or_too_long_passes_and_is_not_recovered() {
    let begin = begins("one") + &text_block(0);
    let new = event(&json!({"type": "something_new"}));
    let long = says(0, &"x".repeat(MAX_KEPT));
    for rest in [new, long, "data: what\n\n".to_owned()] {
        let first = begin.clone() + &rest + &says(0, "y");
        let bodies = [
            ("a", broken(first.clone())),
            ("b", whole(message("two", &["y"]))),
        ];
        let seen = play(&layer(), asking(), bodies.into()).await;
        assert_eq!((&seen.bytes, seen.asked.len()), (&first, 1));
        seen.end.unwrap_err();
    }
}

/// Breaks after `first`; those who are sent the beginning answer with `rest`, others with a whole message. Returns what is
/// sent to whom.
async fn play_on(first: String, rest: Option<String>) -> (Seen, Vec<(String, Option<Value>)>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let sent = Arc::clone(&sent);
        service_fn(move |request: Req| {
            let own = request.extensions().get::<Parameters>().cloned();
            let own = own.unwrap_or_default();
            let messages = own.0.iter().find(|(name, _)| **name == *"messages");
            let messages = messages.map(|(_, text)| serde_json::from_slice(text).unwrap());
            let is_told = request.extensions().get::<Prefilled>().is_some();
            assert_eq!(messages.is_some(), is_told);
            let group = group_of(&request);
            sent.lock().unwrap().push((group.clone(), messages.clone()));
            let head = Response::builder().header(CONTENT_TYPE, "text/event-stream");
            let response = match (&*group, messages, &rest) {
                ("a", _, _) => head.body(broken(first.clone())),
                (_, Some(_), Some(rest)) => head.body(whole(rest.clone())),
                (_, Some(_), None) => head.status(400).body(whole("no")),
                (_, None, _) => head.body(whole(message("two", &["a tower of stone"]))),
            };
            async move { Ok::<_, Infallible>(response.unwrap()) }
        })
    };
    let layer = general(&[("a", &["b"])])
        .stream_recovery(StreamRecovery::Continue)
        .prefill(|group| group.as_str() == "b");
    let mut request = asking();
    let body = r#"{"messages":[{"role":"user","content":"build"}],"max_tokens":9}"#;
    let document = Document::parse(Bytes::from_static(body.as_bytes())).unwrap();
    request
        .extensions_mut()
        .insert(LlmRequest::new("a", true, document));
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let bytes = String::from_utf8(bytes.to_vec()).unwrap();
    let sent = sent.lock().unwrap().clone();
    let seen = Seen {
        bytes,
        end: Ok(()),
        asked: Vec::new(),
    };
    (seen, sent)
}

fn begun(text: &str) -> String {
    begins("one") + &text_block(0) + &says(0, text)
}

#[tokio::test]
async fn a_group_that_takes_a_prefill_goes_on_in_the_open_block() {
    let (seen, sent) = play_on(begun("a tower"), Some(message("two", &[" of", " brick"]))).await;
    let told = told(&seen.bytes);
    assert_eq!((&*told.id, texts(&told)), ("one", vec!["a tower of brick"]));
    assert!(told.over);
    // Anthropic refuses members that it does not know.
    let messages =
        json!([{"role": "user", "content": "build"}, {"role": "assistant", "content": "a tower"}]);
    assert_eq!(sent[1..], [("b".to_owned(), Some(messages))]);
}

#[tokio::test]
async fn an_open_block_is_ended_before_one_of_another_kind_and_before_the_end() {
    let tool = json!({"type": "tool_use", "id": "t", "name": "get", "input": {}});
    let call = |index: u64| {
        block(index, tool.clone()) + &piece(index, "input_json_delta", "{}") + &stop(index)
    };
    let end = || ends("end_turn", 7);
    let with_text = begins("two") + &text_block(0) + &says(0, " of") + &stop(0) + &call(1) + &end();
    for (rest, expected) in [
        (begins("two") + &call(0) + &end(), vec!["a tower", "{}"]),
        (begins("two") + &end(), vec!["a tower"]),
        (
            begins("two") + &event(&json!({"type": "message_stop"})),
            vec!["a tower"],
        ),
        (with_text, vec!["a tower of", "{}"]),
    ] {
        let (seen, _) = play_on(begun("a tower"), Some(rest)).await;
        let told = told(&seen.bytes);
        assert_eq!(texts(&told), expected);
        assert!(told.over);
    }
}

/// Anthropic refuses a message that ends with a space; a block that has ended is no beginning.
#[tokio::test]
async fn what_is_no_beginning_is_asked_for_again() {
    for first in [begun("a tower "), begun("a tower of stone") + &stop(0)] {
        let (seen, sent) = play_on(first, Some(message("two", &["no"]))).await;
        assert_eq!(texts(&told(&seen.bytes)), ["a tower of stone"]);
        assert_eq!(sent[1..], [("b".to_owned(), None)]);
    }
    let (seen, sent) = play_on(begun("a tower"), None).await;
    assert_eq!(texts(&told(&seen.bytes)), ["a tower of stone"]);
    assert_eq!((sent.len(), &sent[2]), (3, &("b".to_owned(), None)));
}

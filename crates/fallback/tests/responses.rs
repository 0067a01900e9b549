//! Streams of OpenAI's Responses that break after their first content has gone out.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{
    Req, general,
    streams::{broken, play, streaming, whole},
};
use serde_json::{Value, json};
use ziggurat_core::{FailureKind, Operation};
use ziggurat_fallback::{FallbackLayer, MAX_KEPT, StreamRecovery};

fn layer() -> FallbackLayer {
    let layer = general(&[("a", &["b", "c"])]).prefill(|_| true);
    layer.stream_recovery(StreamRecovery::Restart)
}

fn asking() -> Req {
    let mut request = streaming();
    request.extensions_mut().insert(Operation::Responses);
    request
}

/// Writes events, numbered.
fn print(events: &[Value]) -> String {
    let numbered = events.iter().enumerate().map(|(number, event)| {
        let mut event = event.clone();
        event["sequence_number"] = number.into();
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap()
        )
    });
    numbered.collect()
}

fn response(kind: &str, id: &str, output: &Value) -> Value {
    let usage = json!({"output_tokens": id.len()});
    let response = json!({"id": format!("resp_{id}"), "created_at": id.len(), "model": id, "output": output, "usage": usage});
    json!({"type": kind, "response": response})
}

fn delta(id: &str, text: &str) -> Value {
    json!({"type": "response.output_text.delta", "item_id": format!("msg_{id}"), "output_index": 0, "content_index": 0,
        "delta": text, "logprobs": [id]})
}

/// How a response of one message begins.
fn opening(id: &str) -> Vec<Value> {
    let item = json!({"id": format!("msg_{id}"), "type": "message", "role": "assistant", "status": "in_progress", "content": []});
    vec![
        response("response.created", id, &json!([])),
        response("response.in_progress", id, &json!([])),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.content_part.added", "item_id": format!("msg_{id}"), "output_index": 0, "content_index": 0,
            "part": {"type": "output_text", "text": "", "annotations": []}}),
    ]
}

/// The events of a whole response of one message in these pieces.
fn events(id: &str, pieces: &[&str]) -> Vec<Value> {
    let (text, item) = (pieces.concat(), format!("msg_{id}"));
    let part = json!({"type": "output_text", "text": text, "annotations": []});
    let message = json!({"id": item, "type": "message", "role": "assistant", "status": "completed", "content": [part]});
    let of_part = |kind: &str, name: &str, value: Value| json!({"type": kind, "item_id": item, "output_index": 0, "content_index": 0, name: value});
    let mut events = opening(id);
    events.extend(pieces.iter().map(|text| delta(id, text)));
    events.extend([
        of_part("response.output_text.done", "text", text.into()),
        of_part("response.content_part.done", "part", part),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message}),
        response("response.completed", id, &json!([message])),
    ]);
    events
}

fn stream(id: &str, pieces: &[&str]) -> String {
    print(&events(id, pieces))
}

fn read(bytes: &str) -> Vec<Value> {
    let data = bytes.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// What is said in pieces. All else must go with it: the numbers, the ids, and what the last events say.
#[track_caller]
fn text(bytes: &str, id: &str) -> String {
    let events = read(bytes);
    let mut text = String::new();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{bytes}");
        let line = format!("event: {}\n", event["type"].as_str().unwrap());
        assert!(bytes.contains(&line), "{bytes}");
        for (name, of) in [
            (format!("msg_{id}"), &event["item_id"]),
            (format!("msg_{id}"), &event["item"]["id"]),
            (format!("resp_{id}"), &event["response"]["id"]),
            (format!("msg_{id}"), &event["response"]["output"][0]["id"]),
        ] {
            let is_other = event["output_index"] == 1;
            assert!(of.is_null() || is_other || *of == name, "{event}");
        }
        let created = &event["response"]["created_at"];
        assert!(created.is_null() || *created == id.len(), "{event}");
        match event["type"].as_str().unwrap() {
            "response.output_text.delta" => text.push_str(event["delta"].as_str().unwrap()),
            "response.output_text.done" => assert_eq!(event["text"], text),
            "response.content_part.done" => assert_eq!(event["part"]["text"], text),
            "response.output_item.done" => assert_eq!(event["item"]["content"][0]["text"], text),
            "response.completed" => {
                assert_eq!(event["response"]["output"][0]["content"][0]["text"], text);
                assert_eq!(number + 1, events.len(), "{bytes}");
            }
            _ => {}
        }
    }
    assert_eq!(events.last().unwrap()["type"], "response.completed");
    text
}

#[tokio::test]
async fn another_group_goes_on_where_the_response_broke() {
    let mut first = opening("one");
    first.extend(["a to", "wer"].map(|text| delta("one", text)));
    let first = print(&first);
    let bodies = [
        ("a", broken(first.clone())),
        ("b", whole(stream("other", &["a", " tower of", " brick"]))),
    ];
    let seen = play(&layer(), asking(), bodies.into()).await;
    seen.end.as_ref().unwrap();
    assert!(seen.bytes.starts_with(&first), "{}", seen.bytes);
    assert_eq!(text(&seen.bytes, "one"), "a tower of brick");
    let events = read(&seen.bytes);
    // They would be those of what the client has, too.
    assert_eq!(events[6]["delta"], " of");
    assert_eq!(events[6]["logprobs"], json!([]));
    assert_eq!(events[7]["logprobs"], json!(["other"]));
    let last = &events.last().unwrap()["response"];
    assert_eq!(
        (&last["model"], &last["usage"]["output_tokens"]),
        (&json!("other"), &json!(5))
    );
    assert_eq!(seen.asked, ["a", "b"]);
}

#[tokio::test]
async fn wherever_it_breaks_the_client_gets_the_whole_once() {
    let first = stream("one", &["é", "in Turm", " aus \"Ziegeln\""]);
    let again = stream("other", &["éin", " Turm aus", " \"Ziegeln\""]);
    // Nobody has heard of the first one before its own first event is whole.
    let begun = first.find("\n\n").unwrap() + 2;
    let item = print(&events("one", &["é"])[..3]).len();
    for cut in begun..first.len() {
        let bodies = [
            ("a", broken(first.as_bytes()[..cut].to_vec())),
            ("b", whole(again.clone())),
        ];
        let seen = play(&layer(), asking(), bodies.into()).await;
        seen.end.as_ref().unwrap();
        let shown = |name: &str| seen.bytes.matches(&format!("event: {name}\n")).count();
        for name in [
            "created",
            "output_item.added",
            "content_part.added",
            "completed",
        ] {
            assert_eq!(shown(&format!("response.{name}")), 1, "{name} {cut}");
        }
        // Of an item that it has not heard of it hears by its second name.
        let has_item = cut >= item;
        let bytes = match has_item {
            true => seen.bytes,
            false => seen.bytes.replace("msg_other", "msg_one"),
        };
        assert_eq!(text(&bytes, "one"), "éin Turm aus \"Ziegeln\"", "{cut}");
    }
}

#[tokio::test]
async fn a_response_that_says_something_else_is_not_mixed_in() {
    let mut first = opening("one");
    first.push(delta("one", "a tow"));
    let first = print(&first);
    let reasons = json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}});
    let begin = opening("two");
    let mut annotated = begin.clone();
    annotated.extend([
        delta("two", "a t"),
        json!({"type": "response.output_text.annotation.added", "annotation": {"a": 1}}),
    ]);
    let refusal = json!({"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": "a tower"});
    for other in [
        stream("two", &["a torch"]),
        stream("two", &["a to"]),
        print(&begin),
        print(&annotated),
        print(&[&begin[..], &[refusal]].concat()),
        print(&[begin[0].clone(), reasons]),
        print(&[
            begin[0].clone(),
            response("response.completed", "two", &json!([])),
        ]),
        "data: what\n\n".to_owned(),
    ] {
        let bodies = [
            ("a", broken(first.clone())),
            ("b", whole(other.clone())),
            ("c", whole(stream("three", &["a tower"]))),
        ];
        let seen = play(&layer(), asking(), bodies.into()).await;
        assert_eq!(seen.bytes, first, "{other}");
        let failure = seen.end.as_ref().unwrap_err();
        assert!(failure.message().unwrap().contains("repeats"), "{failure}");
        assert_eq!(seen.failed(), FailureKind::Disconnected);
        assert_eq!(seen.asked, ["a", "b"]);
    }
}

/// Calls and thoughts have ids that mean something to the one who gave them.
/// Nobody else is asked for it, and the client gets it as it came.
async fn assert_passes_unrecovered(first: &[Value]) {
    let first = print(first);
    let bodies = [
        ("a", broken(first.clone())),
        ("b", whole(stream("two", &["a"]))),
    ];
    let seen = play(&layer(), asking(), bodies.into()).await;
    assert_eq!((&seen.bytes, seen.asked.len()), (&first, 1));
    seen.end.unwrap_err();
}

#[tokio::test]
async fn a_response_with_a_call_or_a_thought_passes_and_is_not_recovered() {
    let item = |kind: &str| json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": kind, "id": "x_1"}});
    let long = delta("one", &"x".repeat(MAX_KEPT));
    for event in [
        item("function_call"),
        item("reasoning"),
        json!({"type": "response.new"}),
        long,
    ] {
        let mut first = opening("one");
        first.extend([event, delta("one", "a")]);
        assert_passes_unrecovered(&first).await;
    }
}

#[tokio::test]
async fn what_comes_after_the_splice_may_be_a_call_but_no_further_splice() {
    let mut first = opening("one");
    first.push(delta("one", "a to"));
    let mut second = events("other", &["a tower"]);
    let last = second.pop().unwrap();
    let call = json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "id": "fc_1"}});
    second.push(call);
    for (breaks, asked) in [(true, 2), (false, 2)] {
        let text_of_second = match breaks {
            true => print(&second),
            false => print(&[&second[..], std::slice::from_ref(&last)].concat()),
        };
        let second = if breaks {
            broken(text_of_second)
        } else {
            whole(text_of_second)
        };
        let bodies = [
            ("a", broken(print(&first))),
            ("b", second),
            ("c", whole(stream("three", &["a tower"]))),
        ];
        let seen = play(&layer(), asking(), bodies.into()).await;
        assert_eq!((seen.asked.len(), seen.end.is_err()), (asked, breaks));
        let call = read(&seen.bytes)
            .into_iter()
            .find(|it| it["output_index"] == 1)
            .unwrap();
        assert_eq!(
            (&call["item"]["id"], &call["sequence_number"]),
            (&json!("fc_1"), &json!(9))
        );
        if !breaks {
            assert_eq!(text(&seen.bytes, "one"), "a tower");
        }
    }
}

#[tokio::test]
async fn names_that_are_none_or_too_long_are_not_kept() {
    for id in [json!("x".repeat(600)), json!({"a": 1}), json!(["a"])] {
        let mut first = opening("one");
        first[2]["item"]["id"] = id.clone();
        let mut other = opening("one");
        other[0]["response"]["id"] = id;
        for mut first in [first, other] {
            first.push(delta("one", "a"));
            assert_passes_unrecovered(&first).await;
        }
    }
}

/// Nobody goes on from the beginning of one.
#[tokio::test]
async fn continue_asks_for_the_whole() {
    let mut first = opening("one");
    first.push(delta("one", "a tower"));
    let layer = layer().stream_recovery(StreamRecovery::Continue);
    let bodies = [
        ("a", broken(print(&first))),
        ("b", whole(stream("other", &["a tower of brick"]))),
    ];
    let seen = play(&layer, asking(), bodies.into()).await;
    seen.end.as_ref().unwrap();
    assert_eq!(text(&seen.bytes, "one"), "a tower of brick");
}

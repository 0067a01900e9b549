//! Parameters in Anthropic's own words beside those in OpenAI's: each is written once.

use serde_json::{Value, json};

use crate::{OPUS, SONNET, messages, refused, support, with};
use support::{builder, hello, prepare};

/// What is sent for a body with more members, and that none of them is there twice.
fn sent(members: Value) -> Value {
    let mut asked = messages(json!([
        {"role": "system", "content": "theirs"},
        {"role": "user", "content": "hi"},
    ]));
    for (name, value) in members.as_object().unwrap() {
        asked[name] = value.clone();
    }
    let outgoing = prepare(builder(OPUS), &asked).unwrap();
    let body = outgoing.request.into_body().into_bytes();
    let document = ziggurat_core::json::Document::parse(body.clone()).unwrap();
    assert_eq!(document.duplicate(|_| true), None, "{asked}");
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn stop_sequences_of_both_names_are_joined() {
    for (stop, own, joined) in [
        (json!("a"), json!(["b"]), json!(["a", "b"])),
        (json!(["a", "b"]), json!(["b", "c"]), json!(["a", "b", "c"])),
        (json!("a"), json!([]), json!(["a"])),
        (json!([]), json!(["b"]), json!(["b"])),
        (json!("a"), json!(null), json!(["a"])),
        (json!(null), json!(["b"]), json!(["b"])),
    ] {
        let sent = sent(json!({"stop": stop, "stop_sequences": own}));
        assert_eq!(sent["stop_sequences"], joined);
        assert!(sent.get("stop").is_none());
    }
    for malformed in [json!("b"), json!([1]), json!({})] {
        let mut asked = with("stop_sequences", malformed);
        assert_eq!(refused(&asked), "stop_sequences");
        asked["stop"] = json!("a");
        assert_eq!(refused(&asked), "stop_sequences");
    }
}

#[test]
fn the_native_system_comes_before_that_of_the_messages() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let cached = json!({"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}});
    for (own, joined) in [
        (json!("own"), json!([text("own"), text("theirs")])),
        (json!([cached]), json!([cached, text("theirs")])),
        (json!(" "), json!([text("theirs")])),
        (json!([]), json!([text("theirs")])),
        (json!(null), json!([text("theirs")])),
    ] {
        assert_eq!(sent(json!({"system": own}))["system"], joined);
    }
    // Alone it passes as it came.
    let alone = support::sent(builder(OPUS), &with("system", json!("own"))).1;
    assert_eq!(alone["system"], "own");
}

#[test]
fn a_native_system_that_cannot_be_joined_is_refused() {
    for (own, param) in [
        (json!(7), "system"),
        (json!({"type": "text", "text": "own"}), "system"),
        (json!([{"type": "text", "text": "own"}, "x"]), "system[1]"),
        (json!([{"type": "text"}]), "system[0]"),
        (
            json!([{"type": "image_url", "image_url": "https://a.example/b.png"}]),
            "system[0]",
        ),
    ] {
        let mut asked = messages(json!([
            {"role": "system", "content": "theirs"},
            {"role": "user", "content": "hi"},
        ]));
        asked["system"] = own;
        assert_eq!(refused(&asked), param, "{asked}");
    }
}

#[test]
fn malformed_thoughts_are_refused_with_an_effort_and_without() {
    for malformed in [
        json!("yes"),
        json!(true),
        json!([]),
        json!({"type": 5}),
        json!({"type": "enabled", "budget_tokens": "many"}),
    ] {
        for effort in [json!("high"), json!(null)] {
            let mut asked = with("thinking", malformed.clone());
            asked["reasoning_effort"] = effort;
            let failure = prepare(builder(SONNET), &asked).err().unwrap();
            assert_eq!(failure.param(), Some("thinking"), "{asked}");
        }
    }
}

#[test]
fn two_schemas_are_refused() {
    let mut asked = hello();
    asked["output_format"] = json!({"type": "json_schema", "schema": {"type": "object"}});
    let alone = support::sent(builder(SONNET), &asked).1;
    assert_eq!(alone["output_format"], asked["output_format"]);
    asked["response_format"] =
        json!({"type": "json_schema", "json_schema": {"schema": {"type": "object"}}});
    let failure = prepare(builder(SONNET), &asked).err().unwrap();
    assert_eq!(failure.param(), Some("output_format"));
}

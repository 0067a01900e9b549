//! Messages: what is fitted, and what is refused where it stands.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use serde_json::{Value, json};
use support::{builder, sent};
use ziggurat_core::FailureKind;

fn refused(text_generation: bool, body: &Value) -> String {
    let builder = builder("m").text_generation(text_generation);
    let failure = sent(builder, body).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::BadRequest, "{body}");
    let param = failure.param().unwrap().to_owned();
    assert!(
        failure.message().unwrap().starts_with(&param),
        "{failure:?}"
    );
    param
}

#[test]
fn refusals_are_told_as_texts() {
    let messages = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": null, "refusal": "Never."},
    ]);
    let body = sent(builder("m"), &json!({"messages": messages})).unwrap();
    let part = &body["messages"][1]["content"][0];
    assert_eq!(part, &json!({"type": "text", "text": "No."}));
    // watsonx knows this member.
    assert_eq!(body["messages"][2], messages[2]);
    let body = sent(
        builder("m").text_generation(true),
        &json!({"messages": messages}),
    )
    .unwrap();
    let wanted = "User: a\nAssistant: No.\nAssistant: Never.\nAssistant:";
    assert_eq!(body["input"], wanted);
}

#[test]
fn messages_that_need_no_change_are_sent_as_they_came() {
    let messages = json!([
        {"role": "system", "content": [{"type": "text", "text": "developer image_url", "cache": 1}], "own": true},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}]},
        {"role": "control", "content": "thinking"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
    ]);
    let body = sent(builder("m"), &json!({"messages": messages})).unwrap();
    assert_eq!(body["messages"], messages);
}

#[test]
fn what_cannot_be_said_is_refused_at_its_place() {
    let user =
        |part: Value| json!([{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]);
    let image = |image: Value| user(json!({"type": "image_url", "image_url": image}));
    let cases = [
        (json!([]), "messages"),
        (json!("a"), "messages"),
        (
            json!([{"role": "user", "content": "a"}, {"content": "b"}]),
            "messages[1]",
        ),
        (
            json!([{"role": "robot", "content": "a"}]),
            "messages[0].role",
        ),
        (
            json!([{"role": "user", "content": 7}]),
            "messages[0].content",
        ),
        (user(json!({"type": "hologram"})), "messages[0].content[1]"),
        (
            user(json!({"type": "file", "file": {"file_id": "f"}})),
            "messages[0].content[1]",
        ),
        (
            user(json!({"type": "text", "text": 7})),
            "messages[0].content[1]",
        ),
        (user(json!({"type": "text"})), "messages[0].content[1]"),
        (image(json!({"detail": "low"})), "messages[0].content[1]"),
        (
            image(json!("data:image/png;base64,A?")),
            "messages[0].content[1]",
        ),
        (
            image(json!({"url": "data:image/png,A"})),
            "messages[0].content[1]",
        ),
        (
            json!([{"role": "system", "content": [{"type": "image_url", "image_url": "https://x.example/a.png"}]}]),
            "messages[0].content[0]",
        ),
        (
            json!([{"role": "assistant", "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f"}}]}]),
            "messages[0].tool_calls[0]",
        ),
    ];
    for (messages, param) in cases {
        assert_eq!(
            refused(false, &json!({"messages": messages})),
            param,
            "{messages}"
        );
    }
    assert_eq!(refused(false, &json!({})), "messages");
    let custom = json!({"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "custom", "custom": {"name": "f"}}]});
    assert_eq!(refused(false, &custom), "tools[0]");
    let prompts = [
        (json!([]), "messages"),
        (
            json!([{"role": "tool", "tool_call_id": "1", "content": "a"}]),
            "messages[0].role",
        ),
        (
            json!([{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f"}}]}]),
            "messages[0].tool_calls",
        ),
        (
            image(json!("https://x.example/a.png")),
            "messages[0].content[1]",
        ),
        (
            json!([{"role": "user", "content": {"text": "a"}}]),
            "messages[0].content",
        ),
    ];
    for (messages, param) in prompts {
        assert_eq!(
            refused(true, &json!({"messages": messages})),
            param,
            "{messages}"
        );
    }
}

//! Messages.

use serde_json::{Value, json};

use crate::{SONNET_35, ask, builder, refusal, send, tool};

fn messages(messages: &Value) -> Value {
    send(
        SONNET_35,
        &json!({"messages": messages, "tools": [tool("f")]}),
    )
}

fn refused(content: &Value) -> String {
    let body = json!({"messages": [{"role": "user", "content": content}]});
    refusal(builder(SONNET_35), &body)
}

#[test]
fn turns_of_one_role_are_merged() {
    let sent = messages(&json!([
        {"role": "system", "content": "one"},
        {"role": "developer", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": " "}]},
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "c"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call.1", "function": {"name": "f", "arguments": ""}},
        ]},
        {"role": "tool", "tool_call_id": "call.1", "content": [{"type": "text", "text": "r"}]},
        {"role": "user", "content": "d"},
    ]));
    assert_eq!(sent["system"], json!([{"text": "one"}, {"text": "two"}]));
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": [
                {"text": "c"}, {"toolUse": {"toolUseId": "call_1", "name": "f", "input": {}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "call_1", "content": [{"text": "r"}]}}, {"text": "d"},
            ]},
        ])
    );
}

#[test]
fn turns_are_never_empty() {
    let sent = messages(&json!([
        {"role": "user", "content": ""},
        {"role": "assistant", "content": ""},
        {"role": "tool", "tool_call_id": "x", "content": ""},
    ]));
    for turn in sent["messages"].as_array().unwrap() {
        let first = &turn["content"][0];
        let text = first["text"]
            .as_str()
            .or_else(|| first["toolResult"]["content"][0]["text"].as_str());
        assert!(text.unwrap().starts_with("[System: Empty"), "{turn}");
    }
}

#[test]
fn thoughts_go_back_first() {
    let sent = messages(&json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "thinking_blocks": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "xyz"},
        ]},
    ]));
    assert_eq!(
        sent["messages"][1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": "xyz"}},
            {"text": "b"},
        ])
    );
}

#[test]
fn a_history_of_tools_without_tools_becomes_text() {
    let history = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "r"},
    ]);
    let sent = send(SONNET_35, &json!({ "messages": history }));
    assert_eq!(
        sent["messages"][1]["content"],
        json!([{"text": "[tool call f({})]"}])
    );
    assert_eq!(
        sent["messages"][2]["content"],
        json!([{"text": "[tool result for 1]"}, {"text": "r"}])
    );
    assert_eq!(sent.get("toolConfig"), None);
}

#[test]
fn images_and_documents_are_inline() {
    let sent = messages(&json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": "data:image/JPG;base64,AAAA"},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,BBBB", "filename": "my_report v2.pdf"}},
        {"type": "image_url", "image_url": {"url": "data:text/csv;charset=utf-8;base64,CCCC"}},
        {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
    ]}]));
    assert_eq!(
        sent["messages"][0]["content"],
        json!([
            {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
            {"document": {"format": "pdf", "name": "my report v2", "source": {"bytes": "BBBB"}}},
            {"document": {"format": "csv", "name": "document csv", "source": {"bytes": "CCCC"}}},
            {"text": "look"},
            {"cachePoint": {"type": "default"}},
        ])
    );
}

#[test]
fn what_cannot_be_said_is_refused_by_its_place() {
    let image = |url: &str| json!([{"type": "image_url", "image_url": {"url": url}}]);
    let cases = [
        (image("https://example.com/a.png"), "content[0].image_url"),
        (image("data:image/png,raw"), "inline only"),
        (image("data:image/tiff;base64,AAAA"), "of this type"),
        (image("data"), "content[0].image_url"),
        (
            json!([{"type": "input_audio", "input_audio": {}}]),
            "no part of type input_audio",
        ),
        (
            json!([{"type": "file", "file": {"file_id": "f"}}]),
            "content[0].file",
        ),
        (json!([{"type": "text"}]), "has no text"),
        (json!(7), "messages[0].content"),
    ];
    for (content, words) in cases {
        let message = refused(&content);
        assert!(message.contains(words), "{message}");
        assert!(
            !message.contains("example.com"),
            "the request is not quoted: {message}"
        );
    }
    let cases = [
        (
            json!([{"role": "system", "content": "only"}]),
            "nothing but instructions",
        ),
        (json!([]), "nothing but instructions"),
        (json!([{"role": "robot", "content": "x"}]), "role"),
        (
            json!([{"role": "function", "content": "x"}]),
            "tool_call_id",
        ),
        (json!([{"role": "tool", "content": "x"}]), "tool_call_id"),
        (json!("x"), "not a list"),
    ];
    for (messages, words) in cases {
        let message = refusal(builder(SONNET_35), &json!({ "messages": messages }));
        assert!(message.contains(words), "{message}");
    }
    let calls = json!([{"id": "1", "function": {"name": "f", "arguments": "[1]"}}]);
    let body =
        json!({"messages": [{"role": "assistant", "tool_calls": calls}], "tools": [tool("f")]});
    let message = refusal(builder(SONNET_35), &body);
    assert!(message.contains("messages[0].tool_calls[0]"), "{message}");
    assert!(ask(&json!({})).is_object());
}

//! What messages are made of.

use serde_json::{Value, json};

use crate::{SONNET_35, messages, param, send, tool};

fn sent(asked: Value) -> Value {
    send(SONNET_35, &messages(asked))["messages"].clone()
}

fn file(name: Option<&str>) -> Value {
    let data = "data:application/pdf;base64,AAAA";
    json!({"type": "file", "file": {"file_data": data, "filename": name}})
}

#[test]
fn refusals_are_said_as_text() {
    let sent = sent(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "refusal": "I will not."},
        {"role": "user", "content": "y"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "Nor that."}]},
    ]));
    assert_eq!(sent[1]["content"], json!([{"text": "I will not."}]));
    assert_eq!(sent[3]["content"], json!([{"text": "Nor that."}]));
}

#[test]
fn a_turn_to_be_continued_does_not_end_with_space() {
    let sent = sent(json!([
        {"role": "user", "content": "x "},
        {"role": "assistant", "content": "so far \n"},
    ]));
    assert_eq!(sent[0]["content"][0]["text"], "x ");
    assert_eq!(sent[1]["content"][0]["text"], "so far");
}

#[test]
fn documents_have_names_of_their_own_and_a_text_beside_them() {
    let text = json!({"type": "text", "text": "look"});
    let sent = sent(json!([
        {"role": "user", "content": [file(Some("a.pdf")), file(Some("a.pdf")), file(None), text]},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": [file(Some("a.b.pdf")), file(Some("a.pdf"))]},
    ]));
    let names = |turn: usize| -> Vec<String> {
        let blocks = sent[turn]["content"].as_array().unwrap().iter();
        let names = blocks.filter_map(|block| block["document"]["name"].as_str());
        names.map(str::to_owned).collect()
    };
    assert_eq!(names(0), ["a", "a 2", "document pdf"]);
    assert_eq!(names(2), ["a b", "a 3"]);
    assert_eq!(sent[0]["content"].as_array().unwrap().len(), 4);
    let last = sent[2]["content"].as_array().unwrap().last().unwrap();
    assert!(last["text"].is_string(), "{last}");
}

#[test]
fn what_cannot_be_said_is_named() {
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let text = json!({"type": "text", "text": "x"});
    let parts = [
        json!({"type": "video", "video": {}}),
        json!({"type": "text", "text": 7}),
        json!({"type": 7}),
        json!(7),
        image("https://example.com/a.png"),
        image("data:image/png;base64,A A="),
        image("data:image/png;base64,"),
        json!({"type": "file", "file": {"file_id": "f"}}),
    ];
    for part in parts {
        let asked = messages(json!([{"role": "user", "content": [text, part]}]));
        assert_eq!(param(SONNET_35, &asked), "messages[0].content[1]", "{part}");
    }
    let image = image("data:image/png;base64,AAAA");
    let user = json!({"role": "user", "content": "x"});
    let system = |content: Value| json!({"role": "system", "content": content});
    let calls = |call: Value| json!([{"role": "assistant", "tool_calls": [call]}]);
    let cases = [
        (
            json!([system(json!([text, image])), user]),
            "messages[0].content[1]",
        ),
        (
            json!([user, system(json!([image]))]),
            "messages[1].content[0]",
        ),
        (
            json!([system(json!([file(None)])), user]),
            "messages[0].content[0]",
        ),
        (json!([user, 7]), "messages[1]"),
        (json!([user, {"role": "robot"}]), "messages[1].role"),
        (
            json!([user, {"role": "tool", "content": "x"}]),
            "messages[1].tool_call_id",
        ),
        (
            json!([user, {"role": "user", "content": 7}]),
            "messages[1].content",
        ),
        (
            calls(json!({"id": "1", "function": {"name": "f", "arguments": "["}})),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            calls(json!({"type": "custom", "custom": {}})),
            "messages[0].tool_calls[0]",
        ),
        (
            json!([{"role": "assistant", "audio": {"id": "a"}}]),
            "messages[0].audio",
        ),
        (json!([]), "messages"),
        (json!("x"), "messages"),
    ];
    for (list, named) in cases {
        let mut asked = messages(list);
        asked["tools"] = json!([tool("f")]);
        assert_eq!(param(SONNET_35, &asked), named, "{asked}");
    }
}

#[test]
fn arguments_may_be_an_object() {
    let call = json!({"id": "1", "function": {"name": "f", "arguments": {"a": 1}}});
    let mut asked = messages(json!([{"role": "assistant", "tool_calls": [call]}]));
    asked["tools"] = json!([tool("f")]);
    let sent = send(SONNET_35, &asked);
    let used = &sent["messages"][0]["content"][0]["toolUse"];
    assert_eq!(used["input"], json!({"a": 1}));
}

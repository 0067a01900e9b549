//! Conversations.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use serde_json::{Value, json};
use ziggurat_core::FailureKind;

use self::support::request::{refused, sent};

fn contents(messages: &Value) -> Value {
    sent("gemini-2.5-flash", &json!({"messages": messages}))["contents"].clone()
}

#[test]
fn media_go_as_google_takes_them() {
    let content = json!([
        {"type": "image_url", "image_url": "data:image/webp;base64,AAAA"},
        {"type": "image_url", "image_url": "data:image/jpg;base64,AAAA"},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.PNG?q=1"}},
        {"type": "image_url", "image_url": {"url": "gs://b/no-ending", "format": "image/png"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,CCCC"}},
        {"type": "file", "file": {"file_id": "https://x.example/a.pdf"}},
        {"type": "video_url", "video_url": {"url": "https://www.youtube.com/watch?v=1"}},
    ]);
    let messages = json!({"messages": [{"role": "user", "content": content}]});
    let sent = sent("gemini-2.5-flash", &messages);
    assert_eq!(
        sent["contents"][0]["parts"],
        json!([
            {"inline_data": {"mime_type": "image/webp", "data": "AAAA"}},
            {"inline_data": {"mime_type": "image/jpeg", "data": "AAAA"}},
            {"file_data": {"mime_type": "image/png", "file_uri": "https://x.example/a.PNG?q=1"}},
            {"file_data": {"mime_type": "image/png", "file_uri": "gs://b/no-ending"}},
            {"inline_data": {"mime_type": "audio/mpeg", "data": "BBBB"}},
            {"inline_data": {"mime_type": "application/pdf", "data": "CCCC"}},
            {"file_data": {"mime_type": "application/pdf", "file_uri": "https://x.example/a.pdf"}},
            {"file_data": {"mime_type": "video/mp4", "file_uri": "https://www.youtube.com/watch?v=1"}},
            {"text": " "},
        ])
    );
    for url in [
        "http://x.example/a.png",
        "https://x.example/a",
        "data:image/png,x",
        "ftp://x",
    ] {
        let part = json!({"type": "image_url", "image_url": {"url": url}});
        let messages = json!({"messages": [{"role": "user", "content": [part]}]});
        let (kind, param, _) = refused(&messages);
        assert_eq!(kind, FailureKind::BadRequest, "{url}");
        assert_eq!(param, "messages[0].content[0]", "{url}");
    }
}

#[test]
fn turns_are_merged_and_signatures_go_back() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    let messages = json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "", "tool_calls": [call("call_1__thought__SIG"), call("call_2")]},
        {"role": "tool", "tool_call_id": "call_1__thought__SIG", "content": "[1]"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "{\"b\":2}"}]},
    ]});
    let wanted = json!([
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [
            {"function_call": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "SIG"},
            {"function_call": {"name": "f", "args": {"a": 1}}},
        ]},
        {"role": "user", "parts": [
            {"function_response": {"name": "f", "response": {"content": "[1]"}}},
            {"function_response": {"name": "f", "response": {"b": 2}}},
        ]},
    ]);
    assert_eq!(sent("gemini-2.5-flash", &messages)["contents"], wanted);
    let alone = json!({"messages": [{"role": "system", "content": "be brief"}]});
    let sent = sent("gemini-2.5-flash", &alone);
    assert_eq!(
        sent["contents"],
        json!([{"role": "user", "parts": [{"text": " "}]}])
    );
    let lost = json!({"messages": [{"role": "tool", "tool_call_id": "x", "content": "1"}]});
    assert_eq!(refused(&lost).1, "messages[0].tool_call_id");
    let odd = json!({"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AA"}]}]});
    assert_eq!(refused(&odd).1, "messages[0].content[0]");
}

#[test]
fn results_stand_behind_their_calls_and_in_their_order() {
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}});
    let result =
        |id: &str, text: &str| json!({"role": "tool", "tool_call_id": id, "content": text});
    let said = |name: &str, text: &str| json!({"function_response": {"name": name, "response": {"content": text}}});
    let got = contents(&json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": null, "tool_calls": [call("1", "f"), call("2", "g"), call("2", "h")]},
        result("2", "of g"),
        {"role": "user", "content": "hurry"},
        result("2", "of h"),
        result("1", "of f"),
        {"role": "assistant", "tool_calls": [call("1", "k")]},
        {"role": "assistant", "tool_calls": [call("9", "l")]},
        {"role": "tool", "tool_call_id": "9", "content": [
            {"type": "text", "text": "of l"}, {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
        ]},
        result("1", "of k"),
    ]));
    let called = |name: &str| json!({"function_call": {"name": name, "args": {}}});
    let wanted = json!([
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [called("f"), called("g"), called("h")]},
        {"role": "user", "parts": [said("f", "of f"), said("g", "of g"), said("h", "of h")]},
        {"role": "user", "parts": [{"text": "hurry"}]},
        {"role": "model", "parts": [called("k"), called("l")]},
        {"role": "user", "parts": [
            said("k", "of k"), said("l", "of l"), {"inline_data": {"mime_type": "image/png", "data": "AAAA"}},
        ]},
    ]);
    assert_eq!(got, wanted);
    let old = contents(&json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
    ]));
    assert_eq!(old[2], json!({"role": "user", "parts": [said("f", "1")]}));
}

#[test]
fn refusals_are_told_and_empty_answers_are_not() {
    let got = contents(&json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": null, "refusal": "I will not."},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "Nor that."}]},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "", "refusal": null},
        {"role": "user", "content": "d"},
    ]));
    let turn = |role: &str, text: &str| json!({"role": role, "parts": [{"text": text}]});
    let wanted = json!([
        turn("user", "a"),
        turn("model", "I will not."),
        turn("user", "b"),
        turn("model", "Nor that."),
        {"role": "user", "parts": [{"text": "c"}, {"text": "d"}]},
    ]);
    assert_eq!(got, wanted);
}

#[test]
fn what_cannot_be_said_is_refused_at_its_place() {
    let user =
        |part: Value| json!([{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]);
    let image = |url: &str| user(json!({"type": "image_url", "image_url": {"url": url}}));
    let call = |call: Value| json!([{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [call]}]);
    let cases = [
        (json!([]), "messages"),
        (json!({}), "messages"),
        (json!([{"role": "user", "content": "a"}, 7]), "messages[1]"),
        (json!([{"role": 7, "content": "a"}]), "messages[0]"),
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
            user(json!({"type": "text", "text": 7})),
            "messages[0].content[1]",
        ),
        (user(json!({"type": "text"})), "messages[0].content[1]"),
        (image("data:image/png;base64,A"), "messages[0].content[1]"),
        (
            image("data:image/png;base64,AA!A"),
            "messages[0].content[1]",
        ),
        (image("data:image/png;base64,"), "messages[0].content[1]"),
        (
            user(
                json!({"type": "input_audio", "input_audio": {"data": "no base64", "format": "mp3"}}),
            ),
            "messages[0].content[1]",
        ),
        (
            json!([{"role": "developer", "content": [
                {"type": "text", "text": "a"}, {"type": "image_url", "image_url": "https://x.example/a.png"},
            ]}]),
            "messages[0].content[1]",
        ),
        (
            json!([{"role": "assistant", "audio": {"id": "audio_1"}}]),
            "messages[0].audio",
        ),
        (
            call(json!({"id": "1", "type": "custom", "custom": {"name": "f", "input": "x"}})),
            "messages[1].tool_calls[0]",
        ),
        (
            call(json!({"id": "1", "function": {"name": "f", "arguments": "[1]"}})),
            "messages[1].tool_calls[0].function.arguments",
        ),
    ];
    for (messages, wanted) in cases {
        let (kind, param, message) = refused(&json!({"messages": messages}));
        assert_eq!(
            (kind, &*param),
            (FailureKind::BadRequest, wanted),
            "{messages}"
        );
        assert!(message.starts_with(wanted), "{message}");
    }
}

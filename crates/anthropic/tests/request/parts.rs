//! What messages are made of.

use serde_json::{Value, json};

use crate::{body, messages, refused, with};

fn part(part: Value) -> Value {
    messages(json!([{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]))
}

#[test]
fn refusals_are_said_as_text() {
    let sent = body(&messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "refusal": "I will not."},
        {"role": "user", "content": "y"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "Nor that."}]},
        {"role": "user", "content": "z"},
        {"role": "assistant", "content": "So far.", "refusal": ""},
    ])));
    let text = |turn: usize| &sent["messages"][turn]["content"];
    assert_eq!(*text(1), json!([{"type": "text", "text": "I will not."}]));
    assert_eq!(*text(3), json!([{"type": "text", "text": "Nor that."}]));
    assert_eq!(*text(5), json!([{"type": "text", "text": "So far."}]));
}

#[test]
fn what_is_no_part_of_anthropics_is_named() {
    let cases = [
        json!({"type": "video", "video": {}}),
        json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}),
        json!({"type": "image"}),
        json!({"type": "text", "text": 7}),
        json!({"type": 7}),
        json!({"type": "image_url", "image_url": {"url": 7}}),
        json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,A A="}}),
        json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}),
        json!({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}),
        json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAA"}}),
        json!({"type": "file", "file": {"filename": 7, "file_id": "f"}}),
    ];
    for wrong in cases {
        assert_eq!(
            refused(&part(wrong.clone())),
            "messages[0].content[1]",
            "{wrong}"
        );
    }
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    for role in ["system", "developer"] {
        let asked = messages(json!([
            {"role": role, "content": [{"type": "text", "text": "x"}, image]},
            {"role": "user", "content": "y"},
            {"role": role, "content": [image]},
        ]));
        assert_eq!(refused(&asked), "messages[0].content[1]");
        let mut late = asked;
        late["messages"][0]["content"] = json!("x");
        assert_eq!(refused(&late), "messages[2].content[0]");
    }
}

#[test]
fn parts_of_anthropics_own_go_through() {
    let parts = [
        json!({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}),
        json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}),
        json!({"type": "thinking", "thinking": "hm", "signature": "s"}),
        json!({"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}}),
        json!({"type": "web_search_tool_result", "tool_use_id": "1", "content": []}),
    ];
    for native in parts {
        let sent = body(&part(native.clone()));
        assert_eq!(sent["messages"][0]["content"][1], native);
    }
}

#[test]
fn types_of_json_are_minded() {
    let cases = [
        (with("temperature", json!("hot")), "temperature"),
        (with("top_p", json!([])), "top_p"),
        (
            with("max_completion_tokens", json!("many")),
            "max_completion_tokens",
        ),
        (with("stream_options", json!("yes")), "stream_options"),
        (with("user", json!(7)), "user"),
        (
            messages(json!([{"role": "user", "content": 7}])),
            "messages[0].content",
        ),
        (
            messages(json!([{"role": "user", "content": "x"}, "y"])),
            "messages[1]",
        ),
        (
            messages(json!([{"role": "assistant", "audio": {"id": "a"}}])),
            "messages[0].audio",
        ),
        (
            messages(json!([{"role": "assistant", "refusal": 7}])),
            "messages[0].refusal",
        ),
        (
            messages(json!([{"role": "assistant", "thinking_blocks": ["x"]}])),
            "messages[0].thinking_blocks[0]",
        ),
    ];
    for (asked, param) in cases {
        assert_eq!(refused(&asked), param, "{asked}");
    }
}

//! What counts, and how much, with a counter of words: R134, R136-R138.

use serde_json::{Value, json};

use crate::support::count;

fn user(content: &Value) -> Option<u64> {
    count(&json!({"messages": [{"role": "user", "content": content}]}))
}

#[test]
fn a_message_has_a_frame() {
    assert_eq!(count(&json!({"messages": []})), Some(3));
    assert_eq!(user(&json!("")), Some(7));
    assert_eq!(user(&json!("a b c")), Some(10));
    assert_eq!(user(&Value::Null), Some(7));
    let named = json!({"messages": [{"role": "user", "content": "a", "name": "bob"}]});
    assert_eq!(count(&named), Some(10));
    let two = json!({"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "a", "n": 1}]});
    assert_eq!(count(&two), Some(13));
}

#[test]
fn lists_count_their_texts() {
    let parts =
        json!(["a b", {"type": "text", "text": "c d"}, {"type": "refusal", "refusal": "e"}]);
    assert_eq!(user(&parts), Some(12));
    assert_eq!(user(&json!([{"text": "a\u{0}b \" \\ \n c"}])), Some(11));
    // Sound and files are the provider's to judge.
    let sound = json!([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                       {"type": "file", "file": {"file_id": "f"}}]);
    assert_eq!(user(&sound), Some(7));
}

#[test]
fn images_have_a_price_and_their_bytes_do_not_count() {
    let image = |source: Value| user(&json!([{"type": "image_url", "image_url": source}]));
    let url = "https://example.com/a.png";
    assert_eq!(image(json!(url)), Some(7 + 85));
    for detail in ["low", "auto"] {
        assert_eq!(image(json!({"url": url, "detail": detail})), Some(7 + 85));
    }
    assert_eq!(image(json!({"url": url, "detail": "high"})), Some(7 + 765));
    let data = format!("data:image/png;base64,{}", "A ".repeat(100_000));
    assert_eq!(image(json!(data)), Some(7 + 85));
    assert_eq!(image(json!({"url": data, "detail": "high"})), Some(7 + 765));
    let item = json!({"input": [{"role": "user", "content": [
        {"type": "input_image", "image_url": url, "detail": "high"}, {"type": "input_text", "text": "a"}]}]});
    assert_eq!(count(&item), Some(7 + 765 + 1));
}

/// Heads of files, 1000 wide and 2000 high; the rest of a file does not matter.
#[test]
fn the_size_of_an_image_at_hand_counts() {
    let png = "iVBORw0KGgoAAAANSUhEUgAAA+gAAAfQ";
    let gif = "R0lGODlh6APQBw==";
    let webp = "UklGRgAAAABXRUJQVlA4WAoAAAAAAAAA5wMAzwcA";
    let jpeg = "/9j/4AAEYWL/xAADYf/AABEIB9AD6AMBIgACEQEDEQE=";
    // Fits into 2000 x 768 as 768 x 1536: 2 x 3 tiles.
    for (kind, head) in [("png", png), ("gif", gif), ("webp", webp), ("jpeg", jpeg)] {
        let url = format!("data:image/{kind};base64,{head}");
        let part = json!({"type": "image_url", "image_url": {"url": url, "detail": "high"}});
        assert_eq!(user(&json!([part])), Some(7 + 85 + 6 * 170), "{kind}");
    }
}

#[test]
fn calls_of_tools_count() {
    let call =
        json!({"id": "x y z", "type": "function", "function": {"name": "f", "arguments": "a b"}});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call, call]});
    assert_eq!(count(&json!({"messages": [message]})), Some(3 + 3 + 1 + 6));
    let message = json!({"role": "assistant", "function_call": {"name": "f", "arguments": "a b"}});
    assert_eq!(count(&json!({"messages": [message]})), Some(3 + 3 + 1 + 3));
    let answer = json!({"role": "tool", "tool_call_id": "x", "content": "a b"});
    assert_eq!(
        count(&json!({"messages": [answer]})),
        Some(3 + 3 + 1 + 1 + 2)
    );
}

#[test]
fn anthropics_form_counts_too() {
    let conversation = |members: Value| {
        let mut body = json!({"messages": []});
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        count(&body)
    };
    // A message of its own, with its role.
    assert_eq!(conversation(json!({"system": "a b"})), Some(3 + 3 + 1 + 2));
    let system = json!([{"type": "text", "text": "a b"}, {"type": "text", "text": "c"}]);
    assert_eq!(conversation(json!({"system": system})), Some(3 + 3 + 1 + 3));
    let input = json!({"q": "a b c"});
    let call = json!([{"type": "tool_use", "id": "t", "name": "f", "input": input}]);
    // The input is JSON: three words between spaces.
    assert_eq!(user(&call), Some(7 + 1 + 3));
    let shown = json!([{"type": "text", "text": "a b"}, {"type": "image", "source": {"type": "base64", "data": "AAAA"}}]);
    for (content, tokens) in [(json!("a b c"), 3), (shown, 2 + 85)] {
        let result = json!([{"type": "tool_result", "tool_use_id": "t", "content": content}]);
        assert_eq!(user(&result), Some(7 + tokens));
    }
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let own = json!([{"name": "f", "description": "d", "input_schema": schema}]);
    let openai = json!([{"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}}]);
    assert_eq!(
        conversation(json!({"tools": own})),
        conversation(json!({"tools": openai}))
    );
}

#[test]
fn tools_count_as_their_declaration() {
    let bare = json!({"name": "f"});
    let tools =
        |messages: Value, tools: Value| count(&json!({"messages": messages, "tools": tools}));
    // namespace functions { | type f = () => any; | } // namespace functions
    let one = 3 + 9 + (3 + 6 + 4);
    assert_eq!(
        tools(json!([]), json!([{"type": "function", "function": bare}])),
        Some(one)
    );
    assert_eq!(tools(json!([]), json!([bare])), Some(one));
    assert_eq!(
        count(&json!({"messages": [], "functions": [bare]})),
        Some(one)
    );
    assert_eq!(tools(json!([]), json!([])), Some(3));
    // A system message saves four.
    let system = json!([{"role": "system", "content": "a"}]);
    assert_eq!(tools(system, json!([bare])), Some(one + 5 - 4));
    let described = json!({"name": "f", "description": "does it", "parameters": {"type": "object",
        "required": ["a"], "properties": {"a": {"type": "string", "enum": ["x", "y"]}, "b": {}}}});
    // // does it | type f = (_: { | a: "x" | "y", | b?: any, | }) => any;
    assert_eq!(
        tools(json!([]), json!([described])),
        Some(3 + 9 + 3 + 4 + (3 + 5 + 4 + 2 + 3))
    );
}

#[test]
fn older_prompts_are_the_message_of_a_user() {
    assert_eq!(count(&json!({"prompt": "a b c"})), Some(10));
    // Of several, each is sent alone: the longest has to fit.
    assert_eq!(count(&json!({"prompt": ["a", "a b c d", "a b"]})), Some(11));
    assert_eq!(count(&json!({"prompt": [1, 2, 3]})), Some(10));
    assert_eq!(
        count(&json!({"prompt": [[1, 2, 3], [1], [-4, 5, 6, 7]]})),
        Some(11)
    );
}

#[test]
fn input_is_text_or_a_conversation() {
    assert_eq!(count(&json!({"input": "a b c"})), Some(3));
    assert_eq!(count(&json!({"input": ["a", "a b c d", "a b"]})), Some(4));
    assert_eq!(count(&json!({"input": [1, 2, 3]})), Some(3));
    let items = json!([{"role": "user", "content": "a b"}, {"type": "reasoning", "encrypted_content": "a b c"},
        {"type": "function_call", "call_id": "x y", "name": "f", "arguments": "a b"},
        {"type": "function_call_output", "call_id": "x y", "output": "a b c"}]);
    assert_eq!(
        count(&json!({"input": items})),
        Some(3 + 4 * 3 + 3 + (1 + 1 + 2) + 3)
    );
    assert_eq!(
        count(&json!({"input": "a b", "instructions": "c"})),
        Some(3 + 5 + 6)
    );
}

#[test]
fn what_is_no_prompt_has_no_count() {
    for body in [
        json!({}),
        json!({"messages": null}),
        json!({"messages": "a"}),
        json!({"messages": [1]}),
        json!({"prompt": {}}),
        json!({"prompt": [true]}),
        json!({"messages": [], "tools": {"a": 1}}),
    ] {
        let expected = (body["tools"].is_object()).then_some(3);
        assert_eq!(count(&body), expected, "{body}");
    }
}

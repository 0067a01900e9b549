//! The same in Anthropic's words, for InvokeModel.

use serde_json::json;

use crate::{builder, param, refusal, send, tool};

const MODEL: &str = "invoke/anthropic.claude-3-haiku-20240307-v1:0";

#[test]
fn all_parts_have_a_place() {
    let sent = send(
        MODEL,
        &json!({
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,BBBB"}},
                ]},
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
                {"role": "tool", "tool_call_id": "1", "content": "r"},
            ],
            "tools": [tool("f")], "tool_choice": "required", "parallel_tool_calls": false,
            "max_tokens": 7, "top_k": 2,
        }),
    );
    let source =
        |media: &str, data: &str| json!({"type": "base64", "media_type": media, "data": data});
    assert_eq!(
        sent["system"],
        json!([{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}])
    );
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "user", "content": [
                {"type": "image", "source": source("image/png", "AAAA")},
                {"type": "document", "source": source("application/pdf", "BBBB")},
            ]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "r"}]},
            ]},
        ])
    );
    assert_eq!(sent["tools"][0]["input_schema"]["type"], "object");
    assert_eq!(
        sent["tool_choice"],
        json!({"type": "any", "disable_parallel_tool_use": true})
    );
    assert_eq!(
        (&sent["max_tokens"], &sent["top_k"]),
        (&json!(7), &json!(2))
    );
    assert_eq!(sent["anthropic_version"], "bedrock-2023-05-31");
}

#[test]
fn what_it_does_not_take_is_refused() {
    let file = json!({"type": "file", "file": {"file_data": "data:text/csv;base64,AAAA"}});
    let body = json!({"messages": [{"role": "user", "content": [file]}]});
    assert!(refusal(builder(MODEL), &body).contains("PDF"));
    assert_eq!(param(MODEL, &body), "messages[0].content[0]");
}

//! Plain answers, from OpenAI's words into Anthropic's.

use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind};

use super::exchange;

fn read(answer: &Value) -> Result<Value, Failure> {
    let text = exchange().plain(answer.to_string().into())?.into_bytes();
    Ok(serde_json::from_slice(&text).unwrap())
}

fn choice(message: &Value, reason: &str) -> Value {
    json!({"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}})
}

#[test]
fn a_text() {
    let mut message = read(&choice(
        &json!({"role": "assistant", "content": "h\u{e9}\n"}),
        "stop",
    ))
    .unwrap();
    let id = message["id"].take();
    assert!(id.as_str().unwrap().starts_with("msg_"), "{id}");
    let expected = json!({
        "id": null, "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "h\u{e9}\n"}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 0, "output_tokens": 4},
    });
    assert_eq!(message, expected);
}

#[test]
fn thoughts_and_calls() {
    let call = |id, arguments| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let said = json!({"content": "", "reasoning_content": "hm",
        "tool_calls": [call("t1", "{\"a\": 1}"), call("t2", "")]});
    let message = read(&choice(&said, "tool_calls")).unwrap();
    let expected = json!([
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "t2", "name": "f", "input": {}},
    ]);
    assert_eq!(
        (&message["content"], &message["stop_reason"]),
        (&expected, &json!("tool_use"))
    );
    let block = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let said = json!({"content": "a", "reasoning_content": "hm", "thinking_blocks": [block]});
    let message = read(&choice(&said, "stop")).unwrap();
    assert_eq!(
        message["content"],
        json!([block, {"type": "text", "text": "a"}])
    );
}

#[test]
fn ends_have_anthropics_names() {
    let said =
        |reason| read(&choice(&json!({"content": "a"}), reason)).unwrap()["stop_reason"].clone();
    assert_eq!(said("length"), "max_tokens");
    assert_eq!(said("content_filter"), "refusal");
    assert_eq!(said("something"), "end_turn");
    let refused = read(&choice(&json!({"content": null, "refusal": "no"}), "stop")).unwrap();
    assert_eq!(refused["content"], json!([{"type": "text", "text": "no"}]));
    assert_eq!(refused["stop_reason"], "refusal");
}

#[test]
fn what_ended_with_an_error_is_none() {
    for reason in ["error", "abort"] {
        for message in [
            json!({"content": "a"}),
            json!({"content": null, "refusal": "no"}),
        ] {
            let failure = read(&choice(&message, reason)).unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Server, "{reason}");
            assert!(failure.to_string().contains(reason), "{failure}");
        }
    }
}

#[test]
fn what_is_no_answer_is_a_failure() {
    let call = json!({"id": "t", "function": {"name": "f", "arguments": "{\"a\":"}});
    for answer in [
        json!({"choices": []}),
        json!({"hello": "you"}),
        choice(&json!({"tool_calls": [call]}), "tool_calls"),
    ] {
        assert_eq!(
            read(&answer).unwrap_err().kind(),
            FailureKind::InvalidResponse,
            "{answer}"
        );
    }
}

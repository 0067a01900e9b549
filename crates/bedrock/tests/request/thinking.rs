//! Efforts, thoughts, and what they do not go with.

use serde_json::{Value, json};

use crate::{
    OPUS_46, SONNET_35, SONNET_45, ask, builder, messages, param, refusal, send, tool, try_send,
};

fn with_effort(effort: &str, members: Value) -> Value {
    let mut asked = ask(&members);
    asked["reasoning_effort"] = json!(effort);
    asked
}

fn thinking(sent: &Value) -> &Value {
    &sent["additionalModelRequestFields"]["thinking"]
}

#[test]
fn effort_becomes_thinking_where_models_think() {
    let fields = |model: &str, effort: &str| {
        send(model, &ask(&json!({ "reasoning_effort": effort })))["additionalModelRequestFields"]
            .clone()
    };
    let thinking = json!({"type": "enabled", "budget_tokens": 4096});
    assert_eq!(fields(SONNET_45, "high")["thinking"], thinking);
    assert_eq!(fields(SONNET_45, "none"), Value::Null);
    let adaptive = fields("global.anthropic.claude-opus-4-6-v1:0", "medium");
    assert_eq!(adaptive["thinking"], json!({"type": "adaptive"}));
    assert_eq!(adaptive["output_config"], json!({"effort": "medium"}));
    assert_eq!(
        fields("openai.gpt-oss-120b-1:0", "low"),
        json!({"reasoning_effort": "low"})
    );
    let body = ask(&json!({"reasoning_effort": "low"}));
    assert!(refusal(builder(SONNET_35), &body).contains("reasoning_effort"));
    // There must be room for more than the thoughts.
    let sent = send(
        SONNET_45,
        &ask(&json!({"thinking": {"type": "enabled", "budget_tokens": 2000}})),
    );
    assert_eq!(sent["inferenceConfig"]["maxTokens"], 6096);
    assert_eq!(
        sent["additionalModelResponseFieldPaths"],
        json!(["/usage/output_tokens_details"])
    );
}

#[test]
fn thoughts_fit_below_the_limit_that_the_client_set() {
    let budget = |limit: u64| {
        let sent = send(
            SONNET_45,
            &with_effort("high", json!({"max_tokens": limit})),
        );
        assert_eq!(sent["inferenceConfig"]["maxTokens"], limit);
        thinking(&sent)["budget_tokens"].as_u64()
    };
    let cases = [
        (5000, Some(4096)),
        (4096, Some(2048)),
        (1500, Some(1024)),
        (1025, Some(1024)),
        (1024, None),
    ];
    for (limit, expected) in cases {
        assert_eq!(budget(limit), expected, "{limit}");
    }
    let native = json!({"type": "enabled", "budget_tokens": 9000});
    let asked = with_effort("low", json!({"thinking": native, "max_tokens": 100}));
    assert_eq!(*thinking(&send(SONNET_45, &asked)), native);
}

#[test]
fn an_effort_gives_way_to_a_choice_that_demands_a_call() {
    for (choice, thinks) in [("auto", true), ("required", false)] {
        let asked = with_effort("low", json!({"tools": [tool("f")], "tool_choice": choice}));
        let budgeted = send(SONNET_45, &asked);
        assert_eq!(thinking(&budgeted).is_object(), thinks, "{choice}");
        // One that finds its budget itself may think before any call.
        assert!(thinking(&send(OPUS_46, &asked)).is_object(), "{choice}");
    }
}

#[test]
fn sampling_that_thoughts_do_not_go_with_is_named_or_left_out() {
    let cases = [
        ("temperature", json!(0.2)),
        ("top_k", json!(77)),
        ("top_p", json!(0.5)),
    ];
    for (name, value) in cases {
        let mut asked = with_effort("low", json!({}));
        asked[name] = value.clone();
        for model in [SONNET_45, OPUS_46] {
            assert_eq!(param(model, &asked), name);
            let sent = try_send(builder(model).drop_params(true), &asked).unwrap();
            assert!(thinking(&sent).is_object());
            assert!(!sent.to_string().contains(&value.to_string()), "{sent}");
        }
    }
    let asked = with_effort("low", json!({"temperature": 1, "top_p": 0.95}));
    assert_eq!(send(SONNET_45, &asked)["inferenceConfig"]["topP"], 0.95);
}

#[test]
fn thoughts_go_on_after_a_call_only_from_those_before_it() {
    let sent_to = |model: &str, blocks: Value| {
        let call = json!({"id": "1", "function": {"name": "f", "arguments": "{}"}});
        let mut asked = messages(json!([
            {"role": "user", "content": "x"},
            {"role": "assistant", "thinking_blocks": blocks, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "r"},
        ]));
        asked["reasoning_effort"] = json!("low");
        asked["tools"] = json!([tool("f")]);
        send(model, &asked)
    };
    let sent = |blocks: Value| sent_to(SONNET_45, blocks);
    // One that finds its budget itself may begin at any turn.
    assert!(thinking(&sent_to(OPUS_46, json!(null))).is_object());
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "s", "index": 0});
    let signed = sent(json!([thought]));
    assert!(thinking(&signed).is_object());
    let text = json!({"text": "hm", "signature": "s"});
    let block = json!({"reasoningContent": {"reasoningText": text}});
    assert_eq!(signed["messages"][1]["content"][0], block);
    for blocks in [json!(null), json!([{"type": "thinking", "thinking": "hm"}])] {
        let unsigned = sent(blocks);
        assert!(thinking(&unsigned).is_null());
        assert!(unsigned["messages"][1]["content"][0]["toolUse"].is_object());
    }
}

//! Efforts, thoughts, and what they do not go with.

use serde_json::{Value, json};

use crate::{ADAPTIVE, OPUS, SONNET, messages, support, with};
use support::{builder, prepare};

fn sent(model: &str, asked: &Value) -> Value {
    support::sent(builder(model), asked).1
}

fn effort(effort: &str, members: Value) -> Value {
    let mut asked = with("reasoning_effort", json!(effort));
    for (name, value) in members.as_object().unwrap() {
        asked[name] = value.clone();
    }
    asked
}

#[test]
fn effort_becomes_a_budget_or_a_wish() {
    let sent = |model: &str, asked: &Value| support::sent(builder(model), asked).1;
    let high = sent(SONNET, &with("reasoning_effort", json!("high")));
    assert_eq!(
        high["thinking"],
        json!({"type": "enabled", "budget_tokens": 4096})
    );
    assert_eq!(high["max_tokens"], 8192);
    let adaptive = sent(
        ADAPTIVE,
        &with("reasoning_effort", json!({"effort": "minimal"})),
    );
    assert_eq!(adaptive["thinking"], json!({"type": "adaptive"}));
    assert_eq!(adaptive["output_config"], json!({"effort": "low"}));
    for model in [SONNET, OPUS] {
        let none = sent(model, &with("reasoning_effort", json!("none")));
        assert!(none.get("thinking").is_none());
    }
    let failure = prepare(builder(OPUS), &with("reasoning_effort", json!("low")));
    assert_eq!(failure.err().unwrap().param(), Some("reasoning_effort"));
    let dropped = builder(OPUS).drop_params(true);
    assert!(
        support::sent(dropped, &with("reasoning_effort", json!("low")))
            .1
            .get("thinking")
            .is_none()
    );
}

#[test]
fn thoughts_fit_below_the_limit_that_the_client_set() {
    let budget = |limit: Value| {
        let sent = sent(SONNET, &effort("high", json!({"max_tokens": limit})));
        assert_eq!(sent["max_tokens"], limit);
        sent["thinking"]["budget_tokens"].as_u64()
    };
    assert_eq!(budget(json!(5000)), Some(4096));
    // Half is left for the answer, as far as the least budget permits.
    assert_eq!(budget(json!(4096)), Some(2048));
    assert_eq!(budget(json!(1500)), Some(1024));
    assert_eq!(budget(json!(1025)), Some(1024));
    for none in [1024, 100] {
        assert_eq!(budget(json!(none)), None);
    }
    // What is said in Anthropic's own words stays.
    let native = json!({"type": "enabled", "budget_tokens": 9000});
    let sent = sent(
        SONNET,
        &effort("low", json!({"thinking": native, "max_tokens": 100})),
    );
    assert_eq!(sent["thinking"], native);
}

#[test]
fn an_effort_gives_way_to_a_choice_that_demands_a_call() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (choice, thinks) in [("auto", true), ("none", true), ("required", false)] {
        let asked = effort("low", json!({"tools": tools, "tool_choice": choice}));
        assert_eq!(
            sent(SONNET, &asked).get("thinking").is_some(),
            thinks,
            "{choice}"
        );
        // One that finds its budget itself may think before any call.
        let adaptive = sent(ADAPTIVE, &asked);
        assert!(adaptive.get("thinking").is_some(), "{choice}");
        assert_eq!(adaptive["output_config"], json!({"effort": "low"}));
    }
}

#[test]
fn sampling_that_thoughts_do_not_go_with_is_named_or_left_out() {
    for (name, value) in [
        ("temperature", json!(0.2)),
        ("top_k", json!(5)),
        ("top_p", json!(0.5)),
    ] {
        let asked = effort("low", json!({name: value}));
        for model in [SONNET, ADAPTIVE] {
            let failure = prepare(builder(model), &asked).err().unwrap();
            assert_eq!(failure.param(), Some(name));
            let (_, dropped) = support::sent(builder(model).drop_params(true), &asked);
            assert!(dropped.get(name).is_none() && dropped.get("thinking").is_some());
        }
        // Without thoughts it is as good as ever.
        let asked = effort("low", json!({name: value, "max_tokens": 50}));
        assert_eq!(sent(SONNET, &asked)[name], value);
    }
    for (name, value) in [("temperature", json!(1.0)), ("top_p", json!(0.95))] {
        let asked = effort("low", json!({name: value}));
        assert_eq!(sent(SONNET, &asked)[name], value);
    }
}

#[test]
fn thoughts_go_on_after_a_call_only_from_those_before_it() {
    let turn_of = |model: &str, blocks: Value| {
        let mut asked = messages(json!([
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": null, "thinking_blocks": blocks, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "1", "content": "r"},
        ]));
        asked["reasoning_effort"] = json!("low");
        sent(model, &asked)
    };
    let turn = |blocks: Value| turn_of(SONNET, blocks);
    let signed = json!({"type": "thinking", "thinking": "hm", "signature": "s", "index": 0});
    let with_thoughts = turn(json!([signed]));
    assert!(with_thoughts.get("thinking").is_some());
    let first = &with_thoughts["messages"][1]["content"][0];
    // The index that our own streams add is not Anthropic's.
    assert_eq!(
        *first,
        json!({"type": "thinking", "thinking": "hm", "signature": "s"})
    );
    assert!(turn(json!(null)).get("thinking").is_none());
    // One that finds its budget itself may begin at any turn.
    assert!(turn_of(ADAPTIVE, json!(null)).get("thinking").is_some());
    // Those of another model, which nobody signed.
    let unsigned = turn(json!([{"type": "thinking", "thinking": "hm"}]));
    assert!(unsigned.get("thinking").is_none());
    assert_eq!(unsigned["messages"][1]["content"][0]["type"], "tool_use");
    assert!(prepare(builder(OPUS), &with("reasoning_effort", json!(7))).is_err());
}

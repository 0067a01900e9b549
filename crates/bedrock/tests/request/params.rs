//! Parameters and tools.

use serde_json::{Value, json};

use crate::{
    NOVA, SONNET_35, SONNET_45, ask, builder, param, refusal, send, send_text, tool, try_send,
};

fn schema(strict: bool) -> Value {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    json!({"type": "json_schema", "json_schema": {"name": "n", "strict": strict, "schema": schema}})
}

#[test]
fn parameters_go_where_converse_has_them() {
    let sent = send(
        SONNET_35,
        &ask(&json!({
            "max_tokens": 5, "temperature": 0.1, "top_p": 1, "stop": "x", "user": "u", "seed": null, "n": 1,
            "logprobs": false, "metadata": {"a": "b"}, "top_k": 3, "anthropic_beta": ["b"],
            "guardrailConfig": {"guardrailIdentifier": "g"}, "additionalModelRequestFields": {"z": 1},
            "extra_body": {"performanceConfig": {"latency": "optimized"}},
        })),
    );
    let inference = json!({"maxTokens": 5, "temperature": 0.1, "topP": 1, "stopSequences": ["x"]});
    assert_eq!(sent["inferenceConfig"], inference);
    let additional = json!({"top_k": 3, "anthropic_beta": ["b"], "z": 1});
    assert_eq!(sent["additionalModelRequestFields"], additional);
    assert_eq!(sent["guardrailConfig"]["guardrailIdentifier"], "g");
    assert_eq!(sent["performanceConfig"]["latency"], "optimized");
    assert_eq!(sent.as_object().unwrap().len(), 5, "{sent}");
}

#[test]
fn what_bedrock_does_not_take_is_named_dropped_or_allowed() {
    let body = ask(&json!({"seed": 1, "n": 2, "top_k": 1}));
    let message = refusal(builder(SONNET_35), &body);
    assert!(
        message.contains("n, seed") || message.contains("seed, n"),
        "{message}"
    );
    let dropped = try_send(builder(SONNET_35).drop_params(true), &body).unwrap();
    assert_eq!(dropped["additionalModelRequestFields"], json!({"top_k": 1}));
    let allowed = try_send(builder(SONNET_35).allowed_params(["seed", "n"]), &body).unwrap();
    assert_eq!(allowed["additionalModelRequestFields"]["seed"], 1);
    let mut by_request = body.clone();
    by_request["allowed_openai_params"] = json!(["seed", "n"]);
    assert_eq!(send(SONNET_35, &by_request), allowed);
    let wrong = refusal(builder(SONNET_35), &ask(&json!({"temperature": "hot"})));
    assert!(wrong.contains("temperature"), "{wrong}");
    refusal(builder(SONNET_35), &ask(&json!({"toolConfig": {}})));
}

#[test]
fn defaults_give_way_to_the_request() {
    let defaults = || {
        builder(SONNET_35)
            .default_parameter("temperature", "0.5")
            .default_parameter("max_tokens", "9")
            .default_parameter("rpm", "6")
    };
    let sent = try_send(defaults(), &ask(&json!({"temperature": 0.1}))).unwrap();
    assert_eq!(
        sent["inferenceConfig"],
        json!({"temperature": 0.1, "maxTokens": 9})
    );
    assert_eq!(sent.get("additionalModelRequestFields"), None);
}

#[test]
fn a_choice_of_no_tool_is_refused_or_leaves_the_tools_out() {
    let body = ask(&json!({"tools": [tool("f")], "tool_choice": "none"}));
    assert!(refusal(builder(SONNET_35), &body).contains("tool_choice"));
    let sent = try_send(builder(SONNET_35).drop_params(true), &body).unwrap();
    assert_eq!(sent.get("toolConfig"), None);
}

#[test]
fn schemas_are_native_where_they_can_be() {
    let sent = send(SONNET_45, &ask(&json!({"response_format": schema(true)})));
    let format = &sent["outputConfig"]["textFormat"];
    assert_eq!(format["type"], "json_schema");
    let text = format["structure"]["jsonSchema"]["schema"]
        .as_str()
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text).unwrap()["type"],
        "object"
    );
    assert_eq!(sent.get("toolConfig"), None);
    for (model, strict) in [(SONNET_45, false), (SONNET_35, true)] {
        let sent = send(model, &ask(&json!({"response_format": schema(strict)})));
        let choice = &sent["toolConfig"]["toolChoice"];
        assert_eq!(*choice, json!({"tool": {"name": "json_tool_call"}}));
    }
    let both = json!({"response_format": schema(true), "tools": [tool("f")]});
    let sent = send(SONNET_35, &ask(&both));
    assert_eq!(sent["toolConfig"]["toolChoice"], json!({"any": {}}));
    assert_eq!(sent["toolConfig"]["tools"].as_array().unwrap().len(), 2);
    refusal(
        builder(SONNET_35),
        &ask(&json!({"response_format": {"type": "yaml"}})),
    );
}

#[test]
fn what_asks_for_nothing_is_left_out() {
    let nothing = json!({
        "n": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "logprobs": false,
        "top_logprobs": 0, "store": false, "modalities": ["text"], "service_tier": "default", "seed": null,
        "function_call": "none", "functions": [], "stop": [], "tool_choice": "none", "parallel_tool_calls": true,
        "tools": [], "response_format": {"type": "text"}, "prediction": null, "user": "u",
    });
    assert_eq!(send(NOVA, &ask(&nothing)), send(NOVA, &ask(&json!({}))));
    let something = [
        ("web_search_options", json!({})),
        ("service_tier", json!("flex")),
    ];
    for (name, value) in something {
        assert_eq!(param(NOVA, &ask(&json!({name: value}))), name);
    }
}

#[test]
fn the_newer_name_of_the_limit_wins() {
    for text in [
        r#"{"max_tokens": 1, "max_completion_tokens": 2}"#,
        r#"{"max_completion_tokens": 2, "max_tokens": 1}"#,
    ] {
        let limit = |member: &str| format!("{member},{}", &text[1..]);
        let body = limit(r#"{"messages": [{"role": "user", "content": "x"}]"#);
        let sent = send_text(NOVA, &body).unwrap();
        assert_eq!(sent["inferenceConfig"]["maxTokens"], 2);
    }
}

#[test]
fn types_of_json_are_minded() {
    let cases = [
        ("temperature", json!("hot")),
        ("top_p", json!([])),
        ("max_tokens", json!("many")),
        ("stop", json!(7)),
        ("tools", json!({})),
        ("tool_choice", json!(7)),
        ("parallel_tool_calls", json!("no")),
        ("response_format", json!("text")),
        ("stream_options", json!("yes")),
        ("reasoning_effort", json!(7)),
    ];
    for (name, value) in cases {
        let mut asked = ask(&json!({"tools": [tool("f")]}));
        asked[name] = value;
        assert_eq!(param(SONNET_45, &asked), name);
    }
}

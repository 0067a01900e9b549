//! Parameters and tools.

use serde_json::{Value, json};

use crate::{SONNET_35, SONNET_45, ask, builder, refusal, send, tool, try_send};

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
fn tools_are_renamed_where_they_must_be() {
    let long = "x".repeat(70);
    let tools = json!([tool("a.b"), tool("a b"), tool(&long), tool("fine")]);
    let choice = json!({"type": "function", "function": {"name": "a b"}});
    let sent = send(
        SONNET_35,
        &ask(&json!({"tools": tools, "tool_choice": choice})),
    );
    let names = sent["toolConfig"]["tools"].as_array().unwrap().iter();
    let names: Vec<&str> = names
        .map(|tool| tool["toolSpec"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a_b", "a_b_2", &long[..64], "fine"]);
    assert_eq!(
        sent["toolConfig"]["toolChoice"],
        json!({"tool": {"name": "a_b_2"}})
    );
    let schema = json!({"json": {"type": "object", "properties": {}}});
    assert_eq!(
        sent["toolConfig"]["tools"][3]["toolSpec"]["inputSchema"],
        schema
    );
    refusal(
        builder(SONNET_35),
        &ask(&json!({"tools": [{"type": "web_search"}]})),
    );
    refusal(
        builder(SONNET_35),
        &ask(&json!({"tools": [tool("f")], "tool_choice": "perhaps"})),
    );
}

#[test]
fn parallel_calls_are_said_in_anthropics_words() {
    let members = json!({"tools": [tool("f")], "parallel_tool_calls": false});
    let sent = send(SONNET_35, &ask(&members));
    let choice = json!({"type": "auto", "disable_parallel_tool_use": true});
    assert_eq!(sent["additionalModelRequestFields"]["tool_choice"], choice);
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

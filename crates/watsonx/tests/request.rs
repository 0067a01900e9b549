//! Requests, and what deployments need.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use serde_json::{Value, json};
use support::{builder, request, sent};
use ziggurat_core::FailureKind;
use ziggurat_provider::{Call, Dialect};
use ziggurat_watsonx::{Builder, Watsonx};

fn ask(members: &Value) -> Value {
    let mut body = json!({"model": "granite", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn what_watsonx_does_not_take_is_refused_by_name_or_left_out() {
    let asked =
        ask(&json!({"logit_bias": {"1": 2}, "parallel_tool_calls": false, "service_tier": null}));
    let failure = sent(builder("m"), &asked).unwrap_err();
    assert_eq!(
        (failure.kind(), failure.param()),
        (FailureKind::BadRequest, Some("logit_bias"))
    );
    assert!(
        failure
            .message()
            .unwrap()
            .contains("logit_bias, parallel_tool_calls;")
    );
    let body = sent(builder("m").drop_params(true), &asked).unwrap();
    let names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        ["messages", "model", "model_id", "project_id", "stream"]
    );
    let body = sent(
        builder("m")
            .allowed_params(["logit_bias"])
            .drop_params(true),
        &asked,
    )
    .unwrap();
    assert_eq!(body["logit_bias"], json!({"1": 2}));
}

#[test]
fn members_that_are_no_ones_pass_and_those_of_the_deployment_win() {
    let body = sent(
        builder("m").default_parameter("top_k", "5").default_parameter("token", "1"),
        &ask(&json!({"time_limit": 9, "user": "u", "project_id": "mine", "space_id": "mine", "model_id": "mine"})),
    )
    .unwrap();
    assert_eq!(
        (&body["top_k"], &body["time_limit"]),
        (&json!(5), &json!(9))
    );
    assert_eq!(
        (&body["project_id"], &body["model_id"]),
        (&json!("p-1"), &json!("m"))
    );
    for name in ["space_id", "user", "token"] {
        assert!(body.get(name).is_none(), "{name}");
    }
}

#[test]
fn schemas_lose_what_is_refused_but_no_property() {
    let tools = json!([{"type": "function", "function": {"name": "f", "strict": true, "parameters": {
        "type": "object", "additionalProperties": false, "strict": true,
        "properties": {
            "strict": {"type": "boolean", "default": {"additionalProperties": false}},
            "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
            "default": {"type": "object", "additionalProperties": false},
            "map": {"type": "object", "properties": {"additionalProperties": false}},
            "list": {"type": "array", "items": {"type": "object", "additionalProperties": false}},
        },
        "anyOf": [{"additionalProperties": false}],
    }}}]);
    let body = sent(
        builder("m"),
        &ask(&json!({"tools": tools, "tool_choice": "required"})),
    )
    .unwrap();
    let expected = json!([{"type": "function", "function": {"name": "f", "parameters": {
        "type": "object",
        "properties": {
            "strict": {"type": "boolean", "default": {"additionalProperties": false}},
            "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
            "default": {"type": "object"},
            "map": {"type": "object", "properties": {"additionalProperties": false}},
            "list": {"type": "array", "items": {"type": "object"}},
        },
        "anyOf": [{}],
    }}}]);
    assert_eq!(body["tools"], expected);
    assert_eq!(body["tool_choice_option"], "required");
    assert!(body.get("tool_choice").is_none());
}

#[test]
fn choices_among_some_tools_are_made_among_those_alone() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let sent = |choice: &Value| {
        let members = json!({"tools": [tool("a"), tool("b")], "tool_choice": choice});
        sent(builder("m"), &ask(&members))
    };
    let allowed = |mode: &str, tools: Value| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}});
    let all = json!([tool("a"), tool("b")]);
    let cases = [
        (
            allowed("required", json!([tool("b")])),
            json!([tool("b")]),
            "required",
        ),
        (
            allowed("auto", json!([tool("a")])),
            json!([tool("a")]),
            "auto",
        ),
        (allowed("auto", json!([])), all.clone(), "none"),
        (json!("auto"), all.clone(), "auto"),
        (json!("none"), all.clone(), "none"),
    ];
    for (choice, tools, option) in cases {
        let body = sent(&choice).unwrap();
        assert_eq!(
            (&body["tools"], &body["tool_choice_option"]),
            (&tools, &json!(option)),
            "{choice}"
        );
        assert!(body.get("tool_choice").is_none(), "{choice}");
    }
    let body = sent(&tool("a")).unwrap();
    assert_eq!(
        (&body["tool_choice"], body.get("tool_choice_option")),
        (&tool("a"), None)
    );
    for odd in [
        json!("sometimes"),
        json!({"type": "custom", "custom": {"name": "a"}}),
        allowed("required", json!([tool("c")])),
    ] {
        let failure = sent(&odd).unwrap_err();
        assert_eq!(failure.param(), Some("tool_choice"), "{odd}");
    }
}

#[test]
fn without_tools_there_is_nothing_to_choose() {
    for choice in [json!("auto"), json!({"type": "function"})] {
        let body = sent(builder("m"), &ask(&json!({"tool_choice": choice}))).unwrap();
        assert!(body.get("tool_choice").is_none() && body.get("tool_choice_option").is_none());
    }
}

#[test]
fn images_have_their_full_form() {
    let messages = json!([{"role": "user", "name": "n", "content": [
        {"type": "image_url", "image_url": "https://a/b.png"},
        {"type": "image_url", "image_url": {"url": "u", "format": "image/png"}},
    ]}]);
    let body = sent(builder("m"), &json!({"messages": messages})).unwrap();
    let content = &body["messages"][0]["content"];
    assert_eq!(content[0]["image_url"], json!({"url": "https://a/b.png"}));
    assert_eq!(content[1]["image_url"], json!({"url": "u"}));
    assert_eq!(body["messages"][0]["name"], "n");
}

#[test]
fn text_generation_gets_a_prompt_and_parameters() {
    let asked = ask(&json!({"stop": "x", "max_completion_tokens": 5, "top_k": 3, "stream": true}));
    let body = sent(builder("ibm/granite-3-8b").text_generation(true), &asked).unwrap();
    let expected = json!({"stop_sequences": ["x"], "max_new_tokens": 5, "top_k": 3});
    assert_eq!(body["parameters"], expected);
    assert_eq!(body["model_id"], "ibm/granite-3-8b");
    assert!(body.get("messages").is_none() && body.get("model").is_none());
    let failure = sent(
        builder("m").text_generation(true),
        &ask(&json!({"tools": [{}]})),
    )
    .unwrap_err();
    assert_eq!(failure.param(), Some("tools"));
}

#[test]
fn what_asks_for_nothing_is_left_out() {
    let nothing = json!({
        "audio": null, "function_call": "auto", "functions": [], "logit_bias": {}, "modalities": ["text"],
        "parallel_tool_calls": true, "prediction": null, "service_tier": "default", "store": false,
        "verbosity": "medium", "tools": [], "tool_choice": "none",
    });
    let body = sent(builder("m"), &ask(&nothing)).unwrap();
    let names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    let always = ["messages", "model", "model_id", "project_id", "stream"];
    assert_eq!(names, always);
    let mut nothing = nothing;
    for (name, value) in [
        ("n", json!(1)),
        ("presence_penalty", json!(0)),
        ("frequency_penalty", json!(0)),
        ("logprobs", json!(false)),
        ("top_logprobs", json!(0)),
        ("response_format", json!({"type": "text"})),
        ("reasoning_effort", json!("none")),
    ] {
        nothing[name] = value;
    }
    let body = sent(builder("m").text_generation(true), &ask(&nothing)).unwrap();
    assert_eq!(body["parameters"], json!({}));
}

fn url(builder: Builder, stream: bool) -> String {
    let dialect = builder.build().unwrap();
    let request = request(&ask(&json!({"stream": stream})));
    dialect
        .prepare(Call::new(&request, &[]))
        .unwrap()
        .request
        .uri()
        .to_string()
}

#[test]
fn addresses_are_made_of_base_region_deployment_and_version() {
    let bare = |model: &str| Watsonx::builder(model).token("eyJ-a-token").project_id("p");
    assert_eq!(
        url(bare("m").region("eu-gb"), true),
        "https://eu-gb.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=2024-03-13"
    );
    assert_eq!(
        url(
            bare("deployment/a/b")
                .api_base("https://h:8443/x/ml/v1/?a=1&version=old")
                .api_version("2025-01-01"),
            false
        ),
        "https://h:8443/x/ml/v1/deployments/a%2Fb/text/chat?a=1&version=2025-01-01"
    );
    let environment = |name: &str| match name {
        "WX_URL" => Some("https://from-env/".to_owned()),
        "WATSONX_REGION" => Some("us-south".to_owned()),
        _ => None,
    };
    assert_eq!(
        url(
            bare("m").text_generation(true).environment(environment),
            false
        ),
        "https://from-env/ml/v1/text/generation?version=2024-03-13"
    );
}

#[test]
fn a_deployment_that_lacks_something_says_what() {
    let fault = |builder: Builder| builder.build().unwrap_err().to_string();
    let base = || Watsonx::builder("m").api_base("https://h");
    let cases = [
        (
            fault(Watsonx::builder("m")),
            "api_base: missing; set it, or WATSONX_API_BASE",
        ),
        (fault(base()), "api_key: missing; set it, or WX_API_KEY"),
        (
            fault(base().api_key("k")),
            "project_id: missing; set it, or space_id or WATSONX_PROJECT_ID",
        ),
        (
            fault(base().api_key("a\nb").zen_api_key("a\nb")),
            "zen_api_key: not a header value",
        ),
        (
            fault(Watsonx::builder("m").region("EU/x")),
            "watsonx_region_name: not the name",
        ),
        (
            fault(builder("m").region("us-south")),
            "watsonx_region_name: us-south, but the address is in eu-de",
        ),
        (fault(base().api_base("ftp://h")), "api_base: not an http"),
    ];
    for (fault, begins) in cases {
        assert!(fault.starts_with(begins), "{fault}");
    }
    // Deployments know their project.
    assert!(
        Watsonx::builder("deployment/1")
            .api_base("https://h")
            .api_key("k")
            .build()
            .is_ok()
    );
}

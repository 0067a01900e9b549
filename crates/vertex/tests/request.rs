//! What is sent for what is asked.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{FailureKind, JsonBody, json::Document};
use ziggurat_provider::{Call, Dialect};

use self::support::request::{asked, prepare, refused, sent, studio};

#[test]
fn the_order_of_properties_is_kept() {
    let body = asked(&json!({}));
    let mut body = body.to_string();
    body.pop();
    let schema = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}"#;
    let body = format!(
        r#"{body},"response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}}}"#
    );
    let text = |model: &str| {
        let body = Document::parse(body.clone().into()).unwrap();
        let request = Request::new(JsonBody::new(body));
        let dialect = studio(model).build().unwrap();
        let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
        String::from_utf8(outgoing.request.into_body().into_bytes().into()).unwrap()
    };
    assert!(text("gemini-2.5-flash").contains(&format!(r#""response_json_schema":{schema}"#)));
    let old = text("gemini-1.5-pro");
    assert!(old.contains(r#""propertyOrdering":["z","a"]"#), "{old}");
}

#[test]
fn thinking_is_told_as_the_model_takes_it() {
    let cases = [
        (
            "gemini-2.5-flash",
            json!("medium"),
            json!({"thinkingBudget": 2048, "includeThoughts": true}),
        ),
        (
            "gemini-2.5-pro",
            json!("minimal"),
            json!({"thinkingBudget": 128, "includeThoughts": true}),
        ),
        (
            "gemini-2.5-flash",
            json!({"effort": "none"}),
            json!({"thinkingBudget": 0, "includeThoughts": false}),
        ),
        (
            "gemini-3-pro-preview",
            json!("medium"),
            json!({"thinkingLevel": "high", "includeThoughts": true}),
        ),
        (
            "gemini-2.5-pro",
            json!("none"),
            json!({"thinkingBudget": 128, "includeThoughts": false}),
        ),
        (
            "gemini-2.5-pro",
            json!("disable"),
            json!({"thinkingBudget": 128, "includeThoughts": false}),
        ),
        (
            "gemini-2.5-flash-lite",
            json!("minimal"),
            json!({"thinkingBudget": 512, "includeThoughts": true}),
        ),
        (
            "4965075652664360960",
            json!("none"),
            json!({"thinkingBudget": 0, "includeThoughts": false}),
        ),
        (
            "gemini-3-pro-preview",
            json!("disable"),
            json!({"thinkingLevel": "low", "includeThoughts": false}),
        ),
        (
            "gemini-3-flash",
            json!("none"),
            json!({"thinkingLevel": "minimal", "includeThoughts": false}),
        ),
    ];
    for (model, effort, wanted) in cases {
        let sent = sent(model, &json!({"reasoning_effort": effort}));
        assert_eq!(
            sent["generationConfig"]["thinkingConfig"], wanted,
            "{model}"
        );
    }
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 77}});
    let sent_config = sent("gemini-2.5-flash", &thinking)["generationConfig"].clone();
    assert_eq!(sent_config["thinkingConfig"]["thinkingBudget"], 77);
    let off = [
        (
            "gemini-2.5-pro",
            json!({"thinkingBudget": 128, "includeThoughts": false}),
        ),
        (
            "gemini-2.5-flash",
            json!({"thinkingBudget": 0, "includeThoughts": false}),
        ),
        (
            "gemini-3-pro",
            json!({"thinkingLevel": "low", "includeThoughts": false}),
        ),
    ];
    for (model, wanted) in off {
        for off in [
            json!({"type": "disabled"}),
            json!({"type": "enabled", "budget_tokens": 0}),
        ] {
            let sent = sent(model, &json!({"thinking": off}));
            assert_eq!(
                sent["generationConfig"]["thinkingConfig"], wanted,
                "{model}"
            );
        }
    }
    assert_eq!(
        sent("gemini-3-pro", &json!({}))["generationConfig"]["temperature"],
        1.0
    );
    let old = prepare(
        studio("gemini-1.5-pro"),
        &asked(&json!({"reasoning_effort": "low"})),
    );
    assert_eq!(old.unwrap_err().param(), Some("reasoning_effort"));
}

#[test]
fn native_members_pass() {
    let sent = sent(
        "gemini-2.5-flash",
        &json!({
            "top_k": 3,
            "safety_settings": [{"category": "C", "threshold": "BLOCK_NONE"}],
            "cached_content": "cachedContents/1",
            "generationConfig": {"mediaResolution": "LOW"},
            "tools": [{"googleSearch": {}}],
            "extra_body": {"labels": {"team": "a"}},
            "max_tokens": 1,
            "max_completion_tokens": 2,
            "stop": "x",
            "modalities": ["text", "image"],
            "user": "u",
        }),
    );
    assert_eq!(
        sent,
        json!({
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
            "tools": [{"googleSearch": {}}],
            "generationConfig": {
                "top_k": 3, "mediaResolution": "LOW", "max_output_tokens": 2, "stop_sequences": ["x"],
                "responseModalities": ["TEXT", "IMAGE"],
            },
            "safetySettings": [{"category": "C", "threshold": "BLOCK_NONE"}],
            "cachedContent": "cachedContents/1",
            "labels": {"team": "a"},
        })
    );
}

#[test]
fn unsupported_parameters_are_named_or_dropped() {
    let members = json!({"logit_bias": {"1": 2}, "verbosity": "low"});
    let (kind, param, message) = refused(&members);
    assert_eq!((kind, &*param), (FailureKind::BadRequest, "logit_bias"));
    assert!(message.contains("['logit_bias', 'verbosity']"), "{message}");
    let dropping = studio("gemini-2.5-flash").drop_params(true);
    let sent = prepare(dropping, &asked(&members)).unwrap();
    assert_eq!(sent.as_object().unwrap().len(), 1);
    let allowing = studio("gemini-1.5-pro").drop_params(true);
    let allowing = allowing.allowed_params(["reasoning_effort", "verbosity"]);
    let sent = prepare(
        allowing,
        &asked(&json!({"verbosity": "low", "reasoning_effort": "low", "unknown": 1})),
    );
    let sent = sent.unwrap();
    assert_eq!(sent["verbosity"], "low");
    assert_eq!(
        sent["generationConfig"]["thinkingConfig"]["thinkingBudget"],
        1024
    );
    assert!(sent.get("unknown").is_none());
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let one = json!({"tools": [tool("a")], "parallel_tool_calls": false});
    assert!(prepare(studio("gemini-2.5-flash"), &asked(&one)).is_ok());
    let (_, param, _) =
        refused(&json!({"tools": [tool("a"), tool("b")], "parallel_tool_calls": false}));
    assert_eq!(param, "parallel_tool_calls");
}

#[test]
fn what_asks_for_nothing_is_left_out() {
    let members = json!({
        "logit_bias": {}, "prediction": null, "verbosity": "medium", "service_tier": "auto", "n": 1,
        "presence_penalty": 0, "frequency_penalty": 0.0, "store": false, "logprobs": false, "top_logprobs": 0,
        "modalities": ["text"], "parallel_tool_calls": true, "tools": [], "functions": [], "function_call": "auto",
        "stop": [], "response_format": {"type": "text"}, "audio": null,
    });
    let contents = json!([{"role": "user", "parts": [{"text": "Hi"}]}]);
    assert_eq!(
        sent("gemini-2.5-flash", &members),
        json!({"contents": contents})
    );
    for off in [
        json!({"reasoning_effort": "none"}),
        json!({"thinking": {"type": "disabled"}}),
    ] {
        assert_eq!(
            sent("gemini-2.0-flash", &off),
            json!({"contents": contents})
        );
    }
}

#[test]
fn a_format_that_is_none_is_refused() {
    let format = |schema: Value| json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}});
    for odd in [
        json!("json"),
        json!({"type": "xml"}),
        format(json!(7)),
        format(json!("{}")),
        format(json!(null)),
    ] {
        let (kind, param, _) = refused(&json!({"response_format": odd}));
        assert_eq!(
            (kind, &*param),
            (FailureKind::BadRequest, "response_format"),
            "{odd}"
        );
    }
}

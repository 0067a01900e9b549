//! What is sent, and what is left to be translated.

use http::HeaderValue;
use serde_json::{Value, json};
use ziggurat_core::{FailureKind, Operation};
use ziggurat_provider::{Authorized, Call, Dialect};

use crate::{SONNET_37, SONNET_45, asking, builder, claude, prepare, send, takes};

#[test]
fn the_request_passes_but_for_what_the_path_says() {
    let members = json!({
        "stream": true, "system": [{"type": "text", "text": "Be terse.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "metadata": {"user_id": "u"}, "top_k": 3,
        "tools": [
            {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
            {"type": "bash_20250124", "name": "bash"},
        ],
        "output_config": {"format": {"type": "json_schema", "schema": {}}},
        "cache_control": {"type": "ephemeral"}, "service_tier": "auto", "stop_sequences": null,
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    });
    let mut expected = members.clone();
    for left_out in [
        "stream",
        "cache_control",
        "service_tier",
        "stop_sequences",
        "context_management",
    ] {
        expected.as_object_mut().unwrap().remove(left_out);
    }
    expected["anthropic_version"] = json!("bedrock-2023-05-31");
    expected["max_tokens"] = json!(9);
    expected["messages"] = json!([{"role": "user", "content": "hi"}]);
    assert_eq!(send(SONNET_45, &members), expected);
}

#[test]
fn it_goes_to_invoke_with_bedrocks_headers_alone() {
    let dialect = claude(builder(SONNET_37).header("x-own", "ours"));
    for (stream, operation) in [(false, "invoke"), (true, "invoke-with-response-stream")] {
        let mut request = asking(&json!({ "stream": stream }));
        let beta = HeaderValue::from_static("interleaved-thinking-2025-05-14");
        request.headers_mut().insert("anthropic-beta", beta);
        let sent = prepare(&dialect, &request).unwrap().request;
        assert_eq!(sent.uri().path(), format!("/model/{SONNET_37}/{operation}"));
        let headers = sent.headers();
        assert_eq!(headers["authorization"], "Bearer secret-bearer-key");
        assert_eq!(headers["x-own"], "ours");
        for name in ["x-api-key", "anthropic-version", "anthropic-beta"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    }
}

#[test]
fn it_is_signed_as_all_requests_are() {
    let signing = ziggurat_bedrock::Bedrock::builder(SONNET_37)
        .aws_access_key_id("AKIA")
        .aws_secret_access_key("s");
    let dialect = claude(signing);
    let outgoing = prepare(&dialect, &asking(&json!({}))).unwrap();
    let Authorized::Now(sent) = dialect.authorize(outgoing.request) else {
        panic!("the keys are at hand");
    };
    let signature = sent.headers()["authorization"].to_str().unwrap();
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIA/"));
}

/// The features that are asked for by a client's header and in its body.
fn betas(model: &str, own: &str, header: &'static str, body: &Value) -> Value {
    let mut builder = builder(model);
    if !own.is_empty() {
        builder = builder.header("anthropic-beta", own);
    }
    let mut request = asking(&json!({ "anthropic_beta": body }));
    let header = HeaderValue::from_static(header);
    request.headers_mut().insert("anthropic-beta", header);
    let sent = prepare(&claude(builder), &request).unwrap().request;
    let body = sent.into_body().into_bytes();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    body["anthropic_beta"].take()
}

#[test]
fn features_of_the_header_are_named_in_the_body_if_the_model_has_them() {
    const HEADER: &str =
        "claude-code-20250219, interleaved-thinking-2025-05-14,token-efficient-tools-2025-02-19";
    let none = json!(null);
    assert_eq!(
        betas(SONNET_45, "", HEADER, &none),
        json!(["interleaved-thinking-2025-05-14"])
    );
    assert_eq!(
        betas(SONNET_37, "", HEADER, &none),
        json!(["token-efficient-tools-2025-02-19"])
    );
    assert_eq!(betas(SONNET_37, "", "claude-code-20250219", &none), none);
    // What is meant for Bedrock passes, whatever it is, once.
    let (own, body) = ("new-2030-01-01,body", json!(["body"]));
    assert_eq!(
        betas(SONNET_45, own, HEADER, &body),
        json!(["body", "new-2030-01-01", "interleaved-thinking-2025-05-14"])
    );
    let request = asking(&json!({"anthropic_beta": "one"}));
    let failure = prepare(&claude(builder(SONNET_45)), &request).unwrap_err();
    assert_eq!(failure.param(), Some("anthropic_beta"));
}

#[test]
fn what_bedrock_would_have_to_fetch_is_refused_by_its_place() {
    let dialect = claude(builder(SONNET_45));
    for source in [
        json!({"type": "url", "url": "https://x.example/a.png"}),
        json!({"type": "file", "file_id": "file_1"}),
    ] {
        let content =
            json!([{"type": "text", "text": "this?"}, {"type": "image", "source": source}]);
        let request = asking(&json!({"messages": [{"role": "user", "content": content}]}));
        let failure = prepare(&dialect, &request).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::BadRequest);
        assert_eq!(failure.param(), Some("messages[0].content[1]"));
        assert!(failure.message().unwrap().contains("Claude on Bedrock"));
    }
}

#[test]
fn what_invoke_does_not_have_is_left_to_be_translated() {
    let turn = |block: Value| json!([{"role": "user", "content": [block]}]);
    let mark = |mark: Value| turn(json!({"type": "text", "text": "a", "cache_control": mark}));
    let tool = |member: &str| json!([{"name": "f", "input_schema": {}, (member): true}]);
    let (all, old) = ([SONNET_45, SONNET_37], [SONNET_37]);
    let cases: [(&[&str], &str, Value); 14] = [
        (&all, "guardrailConfig", json!({"guardrailIdentifier": "g"})),
        (&all, "extra_body", json!({"guardrailConfig": {}})),
        (&all, "additionalModelRequestFields", json!({})),
        (&all, "mcp_servers", json!([])),
        (&all, "container", json!("c")),
        (&all, "output_format", json!({"type": "json_schema"})),
        (&all, "context_management", json!({"edits": 1})),
        (
            &all,
            "tools",
            json!([{"type": "web_search_20250305", "name": "web_search"}]),
        ),
        (&all, "tools", tool("eager_input_streaming")),
        (
            &all,
            "messages",
            turn(json!({"type": "web_search_tool_result", "tool_use_id": "t"})),
        ),
        (
            &all,
            "messages",
            mark(json!({"type": "ephemeral", "scope": "global"})),
        ),
        (
            &old,
            "messages",
            mark(json!({"type": "ephemeral", "ttl": "1h"})),
        ),
        (
            &old,
            "system",
            json!([{"type": "text", "text": "a", "cache_control": {"ttl": "5m"}}]),
        ),
        (&old, "output_config", json!({"effort": "low"})),
    ];
    for (models, name, value) in cases {
        let request = asking(&json!({ (name): value }));
        for model in [SONNET_45, SONNET_37] {
            let dialect = claude(builder(model));
            let is_taken = !models.contains(&model);
            assert_eq!(
                takes(&dialect, &request),
                is_taken,
                "{model}: {name}: {value}"
            );
            assert_eq!(
                prepare(&dialect, &request).is_ok(),
                is_taken,
                "{model}: {name}"
            );
        }
    }
    // Texts may speak of anything.
    let text = json!({"type": "text", "text": "web_search_tool_result, \"cache_control\": {\"scope\": 1}"});
    let request = asking(&json!({ "messages": turn(text), "tools": tool("strict") }));
    assert!(takes(&claude(builder(SONNET_37)), &request));
}

#[test]
fn deployments_that_speak_converse_alone_are_not_asked() {
    let guarded = builder(SONNET_45).default_parameter("guardrailConfig", "{}");
    let nested = builder(SONNET_45)
        .default_parameter("extra_body", r#"{"additionalModelRequestFields":{}}"#);
    let others = [
        "converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.amazon.nova-pro-v1:0",
    ];
    let others = others.map(builder);
    for builder in others.into_iter().chain([guarded, nested]) {
        let dialect = claude(builder);
        let request = asking(&json!({}));
        assert!(!dialect.speaks(Operation::Messages) && !takes(&dialect, &request));
        assert_eq!(
            prepare(&dialect, &request).unwrap_err().kind(),
            FailureKind::BadRequest
        );
        assert!(dialect.speaks(Operation::Chat) && !dialect.speaks(Operation::CountTokens));
    }
}

#[test]
fn chat_stays_what_it_was() {
    let dialect = claude(builder(SONNET_45));
    let mut request = asking(&json!({}));
    request.extensions_mut().insert(Operation::Chat);
    assert!(takes(&dialect, &request));
    let sent = dialect.prepare(Call::new(&request, &[])).unwrap().request;
    assert!(sent.uri().path().ends_with("/converse"));
}

//! Recorded calls, played through the leaf against a scripted upstream.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::Arc;

use serde_json::{Map, Value, json};
use ziggurat_core::FailureKind;
use ziggurat_mock::{Running, Step, Upstream};
use ziggurat_openai::{Builder, Face, OpenAi};
use ziggurat_provider::Dialect;
use ziggurat_testing::golden::{Better, Case, Golden};

/// Where we differ on purpose, and why.
const DELIBERATE: &[(&str, &str)] = &[
    (
        "openai_compatible/usage_missing",
        "an answer without usage stays without: zeros would be a lie (R188)",
    ),
    (
        "openai_compatible/stream_usage_not_supported_upstream",
        "no usage is made up where the upstream sends none (R188)",
    ),
    (
        "huggingface/params_penalties_seed_n",
        "`user` is forwarded on every deployment of the family (D12)",
    ),
    (
        "openai_compatible/slashy_model",
        "`user` is forwarded on every deployment of the family (D12)",
    ),
];

/// Failures that the recording gateway judged worse: the kind and the status of ours.
const BETTER_FAILURES: &[(&str, FailureKind, u16)] = &[
    ("openai/err_403_region", FailureKind::PermissionDenied, 403),
    (
        "openai/err_429_insufficient_quota",
        FailureKind::QuotaExceeded,
        429,
    ),
    // The call is made, and the recording has no answer to it.
    (
        "openai_compatible/no_api_key",
        FailureKind::InvalidResponse,
        500,
    ),
    ("openai/missing_api_key", FailureKind::Authentication, 401),
    ("azure/auth_missing", FailureKind::Authentication, 401),
    ("azure/err_500", FailureKind::Server, 500),
    ("azure/stream_error_midway", FailureKind::Server, 500),
    (
        "huggingface/err_400_content_policy",
        FailureKind::ContentPolicy,
        400,
    ),
    ("huggingface/err_403", FailureKind::PermissionDenied, 403),
    ("huggingface/err_404", FailureKind::NotFound, 404),
    (
        "huggingface/err_422_inputs_tokens",
        FailureKind::ContextWindow,
        400,
    ),
    ("huggingface/err_500", FailureKind::Server, 500),
    ("huggingface/err_504", FailureKind::Timeout, 504),
    ("huggingface/html_502", FailureKind::Server, 502),
    (
        "huggingface/malformed_json_200",
        FailureKind::InvalidResponse,
        502,
    ),
    ("huggingface/stream_error_midway", FailureKind::Server, 500),
    // A stream without its end is broken (D10), and a broken connection is a 502 (D15).
    (
        "openai/stream_truncated_clean_eof",
        FailureKind::Disconnected,
        502,
    ),
    (
        "azure/stream_truncated_clean_eof",
        FailureKind::Disconnected,
        502,
    ),
    (
        "openai/stream_truncated_connection_reset",
        FailureKind::Disconnected,
        502,
    ),
    (
        "azure/stream_truncated_connection_reset",
        FailureKind::Disconnected,
        502,
    ),
];

/// Better: the deployment is refused when it is built.
const REFUSED: &[&str] = &["azure/missing_api_base"];

#[tokio::test]
async fn recorded_calls_are_answered_as_recorded_or_better() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let providers = ["openai", "openai_compatible", "azure", "huggingface"];
    let better = Better::new()
        .failures(BETTER_FAILURES)
        .refused(REFUSED)
        .request(better_request);
    let golden = Golden::read(root, &providers);
    let golden = golden.better(better).deliberate(DELIBERATE);
    assert!(golden.len() > 160, "{} recordings found", golden.len());
    let hub = hub().await;
    let counts = golden.play(|case| {
        let dialect = builder(case, hub.url()).build().ok()?;
        Some(Arc::new(dialect) as Arc<dyn Dialect>)
    });
    println!("{:?}", counts.await);
    let hit = &hub.hits()[0];
    assert_eq!(hit.path(), "/api/models/deepseek-ai/DeepSeek-R1");
    assert_eq!(hit.query(), Some("expand=inferenceProviderMapping"));
}

/// What the recordings themselves say should be sent instead.
fn better_request(key: &str, expected: &mut Value) {
    match key {
        "openai/o3_reasoning_effort" | "azure/o_series_deployment" => {
            expected["body"]["messages"][0]["role"] = json!("developer");
        }
        "azure/url_v1_in_base_dated_version" => {
            expected["path"] = json!("/openai/v1/chat/completions");
            expected["query"] = json!({});
            let headers = expected["headers"].as_object_mut().unwrap();
            headers.remove("api-key");
            headers.insert("authorization".into(), json!("Bearer az-fake-key"));
        }
        // A server at an own address needs no key.
        "openai_compatible/no_api_key" => {
            *expected = json!({
                "path": "/v1/chat/completions", "query": {}, "headers": {},
                "body": {
                    "model": "my-local-model",
                    "messages": [{
                        "role": "user",
                        "content": "this is a test request, write a short poem",
                    }],
                },
            });
        }
        _ => {}
    }
}

/// The deployment, its addresses turned to the scripted upstream.
fn builder(case: &Case<'_>, hub: String) -> Builder {
    let (params, environment) = (case.params(), case.environment());
    let (face, prefix) = match case.key().split('/').next().unwrap() {
        "azure" => (Face::Azure, "azure/"),
        "huggingface" => (Face::HuggingFace, "huggingface/"),
        _ => (Face::OpenAi, "openai/"),
    };
    let model = params["model"].as_str().unwrap();
    let mut builder = OpenAi::builder(face, model.strip_prefix(prefix).unwrap_or(model));
    let has_base = environment.keys().any(|name| name.contains("BASE"));
    for (name, value) in params {
        let text = value.as_str().unwrap_or_default().to_owned();
        builder = match &**name {
            "model" => builder,
            "api_base" => builder.api_base(case.moved(&text)),
            "api_key" => builder.api_key(text),
            "api_version" => builder.api_version(text),
            "azure_ad_token" => builder.azure_ad_token(text),
            "organization" => builder.organization(text),
            "extra_headers" => extra_headers(builder, value.as_object().unwrap()),
            _ => builder.default_parameter(&**name, value.to_string()),
        };
    }
    // The real address of OpenAI is the default; a call without a key goes nowhere.
    if face == Face::OpenAi
        && !params.contains_key("api_base")
        && !has_base
        && params.contains_key("api_key")
    {
        builder = builder.api_base(format!("{}/v1", case.upstream()));
    }
    let router = case.upstream().to_owned();
    builder.environment(move |name| match name {
        "HF_ENDPOINT" => Some(hub.clone()),
        "HF_ROUTER_BASE" => Some(router.clone()),
        name => environment.get(name).cloned(),
    })
}

/// Knows what the provider in the recordings calls its model.
async fn hub() -> Running {
    let model = json!({"inferenceProviderMapping": {"together": {
        "status": "live", "providerId": "deepseek-ai/DeepSeek-R1-x", "task": "conversational",
    }}});
    let step = Step::respond(http::Response::new(model.to_string()));
    Upstream::new("hub").script([step]).start().await.unwrap()
}

fn extra_headers(mut builder: Builder, headers: &Map<String, Value>) -> Builder {
    for (name, value) in headers {
        builder = builder.header(name, value.as_str().unwrap());
    }
    builder
}

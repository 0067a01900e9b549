//! Recorded calls, played through the leaf against a scripted upstream.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use ziggurat_core::FailureKind;
use ziggurat_provider::Dialect;
use ziggurat_testing::golden::{Better, Case, Golden};
use ziggurat_vertex::{Builder, Face, Vertex};

use self::support::{TokenServer, account};

/// Failures that the recording gateway judged worse: the kind and the status of ours.
const BETTER_FAILURES: &[(&str, FailureKind, u16)] = &[
    (
        "vertex_ai/auth_token_endpoint_400",
        FailureKind::Authentication,
        401,
    ),
    ("vertex_ai/err_403", FailureKind::PermissionDenied, 403),
    ("vertex_ai/html_502", FailureKind::Server, 502),
    (
        "vertex_ai/malformed_json_200",
        FailureKind::InvalidResponse,
        500,
    ),
    // A stream without its end is broken (D10), and a broken connection is a 502 (D15).
    (
        "vertex_ai/stream_truncated_clean_eof",
        FailureKind::Disconnected,
        502,
    ),
    (
        "vertex_ai/stream_truncated_connection_reset",
        FailureKind::Disconnected,
        502,
    ),
];

#[tokio::test]
async fn recorded_calls_are_answered_as_recorded_or_better() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let tokens = TokenServer::start().await;
    let refusing = TokenServer::refusing().await;
    let better = Better::new()
        .failures(BETTER_FAILURES)
        .request(better_request)
        .answer(better_answer);
    let golden = Golden::read(root, &["vertex_ai"]).better(better);
    assert!(golden.len() > 60, "{} recordings found", golden.len());
    let counts = golden.play(|case| {
        let server = match case.key() {
            "vertex_ai/auth_token_endpoint_400" => &refusing,
            _ => &tokens,
        };
        let dialect = builder(case, &server.url()).build().ok()?;
        Some(Arc::new(dialect) as Arc<dyn Dialect>)
    });
    println!("{:?}", counts.await);
    tokens.check_assertions();
    refusing.check_assertions();
}

/// What the recordings themselves say should be sent instead.
fn better_request(key: &str, expected: &mut Value) {
    if key == "vertex_ai/system_prompt_model_missing_from_map" {
        let body = &mut expected["body"];
        body["contents"][0]["parts"] = json!([{"text": "Who was Alexander?"}]);
        body["system_instruction"] = json!({"parts": [{"text": "You are a pirate."}]});
    }
}

/// A recitation is shown as far as it went.
fn better_answer(key: &str, expected: &mut Value) {
    if key == "vertex_ai/finish_recitation" {
        expected["body"]["choices"][0]["message"]["content"] = json!("partial");
    }
}

/// The deployment, its addresses turned to the scripted upstream.
fn builder(case: &Case<'_>, token_uri: &str) -> Builder {
    let (params, environment) = (case.params(), case.environment());
    let model = params["model"].as_str().unwrap();
    let model = model.strip_prefix("vertex_ai/").unwrap();
    let mut builder = Vertex::builder(Face::VertexAi, model).api_base(case.upstream());
    for (name, value) in params {
        let text = value.as_str().unwrap_or_default().to_owned();
        builder = match &**name {
            "model" => builder,
            "api_base" => builder.api_base(case.moved(&text)),
            "vertex_project" => builder.project(text),
            "vertex_location" => builder.location(text),
            "vertex_credentials" => builder.credentials(account(token_uri)),
            _ => builder.default_parameter(&**name, value.to_string()),
        };
    }
    builder.environment(move |name| environment.get(name).cloned())
}

//! Recorded calls, played through the leaf against a scripted upstream.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::Arc;

use serde_json::{Value, json};
use ziggurat_anthropic::{Anthropic, Builder};
use ziggurat_core::FailureKind;
use ziggurat_provider::Dialect;
use ziggurat_testing::golden::{Better, Case, Counts, Golden};

/// A stream without its end is broken (D10), and a broken connection is a 502 (D15).
const BETTER_FAILURES: &[(&str, FailureKind, u16)] = &[
    // The call is made, and the recording has no answer to it.
    (
        "anthropic/bare_model_name_seed",
        FailureKind::InvalidResponse,
        500,
    ),
    (
        "anthropic/stream_truncated_clean_eof",
        FailureKind::Disconnected,
        502,
    ),
    (
        "anthropic/stream_truncated_connection_reset",
        FailureKind::Disconnected,
        502,
    ),
];

#[tokio::test]
async fn recorded_calls_are_answered_as_recorded_or_better() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let better = Better::new()
        .failures(BETTER_FAILURES)
        .request(better_request)
        .answer(better_answer);
    let golden = Golden::read(root, &["anthropic"]).better(better);
    let counts =
        golden.play(|case| Some(Arc::new(builder(case).build().ok()?) as Arc<dyn Dialect>));
    let counts = counts.await;
    let expected = Counts {
        total: 62,
        request_equal: 60,
        answer_equal: 57,
        better: 6,
        different: 0,
    };
    assert_eq!(counts, expected);
}

/// What should be sent instead.
fn better_request(key: &str, expected: &mut Value) {
    match key {
        // Bare names of Claude are known.
        "anthropic/bare_model_name_seed" => {
            let text = "this is a test request, write a short poem";
            *expected = json!({
                "path": "/v1/messages",
                "query": {},
                "headers": {"x-api-key": "sk-ant-fake", "anthropic-version": "2023-06-01"},
                "body": {
                    "model": "claude-3-opus-20240229",
                    "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}],
                    "max_tokens": 4096,
                },
            });
        }
        // Anthropic refuses a choice among no tools.
        "anthropic/params_drop_unsupported" => {
            expected["body"]
                .as_object_mut()
                .unwrap()
                .remove("tool_choice");
        }
        _ => {}
    }
}

/// What should be answered instead.
fn better_answer(key: &str, expected: &mut Value) {
    // Tokens of thoughts are not told by Anthropic, and not guessed.
    let usage = match key {
        "anthropic/thinking_response" => &mut expected["body"]["usage"],
        "anthropic/thinking_param_stream" => {
            let events = expected["sse_data"].as_array_mut().unwrap();
            let told = events.iter_mut().find(|event| event["usage"].is_object());
            &mut told.unwrap()["usage"]
        }
        _ => return,
    };
    usage
        .as_object_mut()
        .unwrap()
        .remove("completion_tokens_details");
}

/// The deployment, its addresses turned to the scripted upstream.
fn builder(case: &Case<'_>) -> Builder {
    let (params, environment) = (case.params(), case.environment());
    let model = params["model"].as_str().unwrap();
    let mut builder = Anthropic::builder(model.strip_prefix("anthropic/").unwrap_or(model));
    for (name, value) in params {
        let text = value.as_str().unwrap_or_default().to_owned();
        builder = match &**name {
            "model" => builder,
            "api_base" => builder.api_base(case.moved(&text)),
            "api_key" => builder.api_key(text),
            "drop_params" => builder.drop_params(value == &json!(true)),
            _ => builder.default_parameter(&**name, value.to_string()),
        };
    }
    let has_base =
        params.contains_key("api_base") || environment.keys().any(|name| name.contains("BASE"));
    // The real address is the default.
    if !has_base {
        builder = builder.api_base(case.upstream());
    }
    builder.environment(move |name| environment.get(name).cloned())
}

//! Recorded calls, played through the leaf against a scripted upstream.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::Arc;

use http::{Response, StatusCode};
use serde_json::{Value, json};
use ziggurat_core::FailureKind;
use ziggurat_mock::{Running, Script, Step, Upstream};
use ziggurat_provider::Dialect;
use ziggurat_testing::golden::{Better, Case, Golden};
use ziggurat_watsonx::{Builder, Watsonx};

/// Failures that the recording gateway judged worse: the kind and the status of ours.
const BETTER_FAILURES: &[(&str, FailureKind, u16)] = &[
    (
        "watsonx/auth_iam_exchange_fails",
        FailureKind::Authentication,
        401,
    ),
    (
        "watsonx/err_400_content_policy",
        FailureKind::ContentPolicy,
        400,
    ),
    (
        "watsonx/err_400_context_window",
        FailureKind::ContextWindow,
        400,
    ),
    // The call is made, and the recording has no answer to it.
    (
        "watsonx/max_completion_tokens",
        FailureKind::InvalidResponse,
        500,
    ),
    ("watsonx/stream_error_midway", FailureKind::Server, 500),
    (
        "watsonx/stream_truncated_clean_eof",
        FailureKind::Disconnected,
        502,
    ),
    (
        "watsonx/stream_truncated_connection_reset",
        FailureKind::Disconnected,
        502,
    ),
];

/// Better: the deployment is refused when it is built.
const REFUSED: &[&str] = &["watsonx/missing_project", "watsonx/missing_url"];

#[tokio::test]
async fn recorded_calls_are_answered_as_recorded_or_better() {
    let (iam, refusing) = (iam(200, granted()).await, iam(400, unknown_key()).await);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let better = Better::new()
        .failures(BETTER_FAILURES)
        .refused(REFUSED)
        .request(better_request)
        .answer(better_answer);
    let golden = Golden::read(root, &["watsonx"]).better(better);
    assert!(golden.len() > 50, "{} recordings found", golden.len());
    let counts = golden.play(|case| {
        let iam = match case.key() {
            "watsonx/auth_iam_exchange_fails" => &refusing,
            _ => &iam,
        };
        let dialect = builder(case, iam.url()).build().ok()?;
        Some(Arc::new(dialect) as Arc<dyn Dialect>)
    });
    println!("{:?}", counts.await);
    let hit = &refusing.hits()[0];
    assert_eq!(
        (hit.method().as_str(), hit.path()),
        ("POST", "/identity/token")
    );
    assert_eq!(
        hit.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let form = "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=ibm-bad-apikey";
    assert_eq!(hit.body(), form);
}

/// What the recordings themselves say should be sent instead.
fn better_request(key: &str, expected: &mut Value) {
    let mut remove = |names: &[&str]| {
        let body = expected["body"].as_object_mut().unwrap();
        names.iter().for_each(|name| {
            body.remove(*name);
        });
    };
    match key {
        "watsonx/auth_token_param" => remove(&["token", "watsonx_token"]),
        "watsonx/deployment_id" => remove(&["model"]),
        "watsonx/text_generation_route" => {
            expected["body"]["input"] = json!("<|system|>\nx\n<|user|>\nhi\n<|assistant|>\n");
        }
        "watsonx/max_completion_tokens" => {
            let model = "meta-llama/llama-3-3-70b-instruct";
            *expected = json!({
                "path": "/ml/v1/text/chat", "query": {"version": "2024-03-13"},
                "headers": {"authorization": "Bearer eyJ-fake-iam-token"},
                "body": {
                    "model": model,
                    "model_id": model,
                    "space_id": "5d4e1a2b-fake-space",
                    "messages": [{
                        "role": "user",
                        "content": "this is a test request, write a short poem",
                    }],
                    "max_tokens": 256,
                },
            });
        }
        _ => {}
    }
}

/// An error in a stream is not its ordinary end.
fn better_answer(key: &str, expected: &mut Value) {
    if key == "watsonx/stream_error_midway" {
        let events = expected["sse_data"].as_array_mut().unwrap();
        events.truncate(events.len() - 2);
        events.push(json!({"error": {"message": "boom"}}));
    }
}

/// The deployment, its addresses turned to the scripted upstream.
fn builder(case: &Case<'_>, iam: String) -> Builder {
    let (params, environment) = (case.params(), case.environment());
    let model = params["model"].as_str().unwrap();
    let (provider, model) = model.split_once('/').unwrap();
    let mut builder = Watsonx::builder(model).text_generation(provider == "watsonx_text");
    for (name, value) in params {
        let text = value.as_str().unwrap_or_default().to_owned();
        builder = match &**name {
            "model" => builder,
            "api_base" => builder.api_base(case.moved(&text)),
            "api_key" => builder.api_key(text),
            "token" => builder.token(text),
            "zen_api_key" => builder.zen_api_key(text),
            "project_id" => builder.project_id(text),
            "space_id" => builder.space_id(text),
            _ => builder.default_parameter(&**name, value.to_string()),
        };
    }
    builder.environment(move |name| match name {
        "WATSONX_IAM_URL" => Some(format!("{iam}/identity/token")),
        name => environment.get(name).cloned(),
    })
}

async fn iam(status: u16, body: Value) -> Running {
    let response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/json")
        .body(body.to_string())
        .unwrap();
    let script = Script::new([Step::respond(response)]);
    Upstream::new("iam").script(script).start().await.unwrap()
}

fn granted() -> Value {
    json!({"access_token": "eyJ-fake-iam-token", "token_type": "Bearer", "expires_in": 3600})
}

fn unknown_key() -> Value {
    json!({"errorCode": "BXNIM0415E", "errorMessage": "Provided API key could not be found."})
}

//! Recorded calls, played through the leaf against a scripted upstream.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, Request, header::AUTHORIZATION};
use serde_json::{Value, json};
use ziggurat_bedrock::{Bedrock, Builder};
use ziggurat_core::{Failure, FailureKind, json::Printed};
use ziggurat_provider::{Authorized, Call, Dialect, Outgoing};
use ziggurat_testing::golden::{Better, Case, Counts, Golden};

/// Failures that the recording gateway judged worse: the kind and the status of ours.
const BETTER_FAILURES: &[(&str, FailureKind, u16)] = &[
    (
        "bedrock/err_400_content_filter",
        FailureKind::ContentPolicy,
        400,
    ),
    (
        "bedrock/err_403_invalid_token",
        FailureKind::Authentication,
        401,
    ),
    ("bedrock/err_500", FailureKind::Server, 500),
    (
        "bedrock/malformed_json_200",
        FailureKind::InvalidResponse,
        500,
    ),
    (
        "bedrock/stream_exception_event",
        FailureKind::RateLimited,
        429,
    ),
    // A stream without its end is broken, and a broken connection is a 502.
    (
        "bedrock/stream_truncated_clean_eof",
        FailureKind::Disconnected,
        502,
    ),
    (
        "bedrock/stream_truncated_connection_reset",
        FailureKind::Disconnected,
        502,
    ),
    // Nothing is fetched for clients: they would choose where this process connects to.
    (
        "bedrock/image_remote_url_downloaded",
        FailureKind::BadRequest,
        400,
    ),
];

/// When all recordings were made: 2025-01-15T12:00:00Z.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_736_942_400)
}

/// The dialect, with the recorded signature in place of its own: that is made of bytes that are spaced otherwise. All but
/// the signature itself is compared.
#[derive(Debug)]
struct Signed {
    dialect: Bedrock,
    recorded: String,
}

impl Dialect for Signed {
    fn provider(&self) -> &'static str {
        self.dialect.provider()
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        self.dialect.prepare(call)
    }

    fn authorize(&self, request: Request<Printed>) -> Authorized {
        let mut authorized = self.dialect.authorize(request);
        if let Authorized::Now(request) = &mut authorized {
            let own = request.headers()[AUTHORIZATION].to_str().unwrap();
            let scope = |text: &str| text.split("Signature=").next().unwrap().to_owned();
            if scope(own) == scope(&self.recorded) {
                let recorded = HeaderValue::from_str(&self.recorded).unwrap();
                request.headers_mut().insert(AUTHORIZATION, recorded);
            }
        }
        authorized
    }
}

#[tokio::test]
async fn recorded_calls_are_answered_as_recorded_or_better() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let better = Better::new()
        .failures(BETTER_FAILURES)
        .request(better_request)
        .answer(better_answer);
    let golden = Golden::read(root, &["bedrock"]).better(better);
    let counts = golden.play(|case| {
        let recorded = &case.fixture()["upstream_request"]["headers"]["authorization"];
        let dialect = builder(case).build().ok()?;
        let recorded = recorded.as_str().unwrap_or_default().to_owned();
        Some(Arc::new(Signed { dialect, recorded }) as Arc<dyn Dialect>)
    });
    let expected = Counts {
        total: 63,
        request_equal: 62,
        answer_equal: 54,
        better: 9,
        different: 0,
    };
    assert_eq!(counts.await, expected);
}

fn better_request(key: &str, expected: &mut Value) {
    if key == "bedrock/image_remote_url_downloaded" {
        *expected = Value::Null;
    }
}

fn better_answer(key: &str, expected: &mut Value) {
    match key {
        // The recording gateway's own estimate.
        "bedrock/thinking_reasoning_effort" => {
            expected["body"]["usage"]["completion_tokens_details"] = json!({});
        }
        "bedrock/image_remote_url_downloaded" => *expected = json!({ "status": 400 }),
        _ => {}
    }
}

/// The deployment, its address turned to the scripted upstream.
fn builder(case: &Case<'_>) -> Builder {
    let params = case.params();
    let mut builder = Bedrock::builder(params["model"].as_str().unwrap())
        .aws_bedrock_runtime_endpoint(case.upstream())
        .clock(then);
    for (name, value) in params {
        let text = value.as_str().unwrap_or_default().to_owned();
        builder = match &**name {
            "model" | "aws_bedrock_runtime_endpoint" => builder,
            "api_key" => builder.api_key(text),
            "aws_access_key_id" => builder.aws_access_key_id(text),
            "aws_secret_access_key" => builder.aws_secret_access_key(text),
            "aws_session_token" => builder.aws_session_token(text),
            "aws_region_name" => builder.aws_region_name(text),
            _ => builder.default_parameter(&**name, value.to_string()),
        };
    }
    let environment = case.environment();
    builder.environment(move |name| match name {
        // A test asks no machine for its keys.
        "AWS_EC2_METADATA_DISABLED" => Some("true".to_owned()),
        name => environment.get(name).cloned(),
    })
}

/// The host is the scripted upstream's in all of them; this is what it would be.
#[test]
fn recorded_hosts_are_those_of_the_deployments() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bedrock");
    for file in std::fs::read_dir(root).unwrap() {
        let path = file.unwrap().path();
        let fixture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let Some(origin) = fixture["upstream_request"]["origin"].as_str() else {
            continue;
        };
        let text = |name: &str| {
            fixture["litellm_params"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let environment = fixture["env"].clone();
        let dialect = Bedrock::builder(text("model"))
            .aws_region_name(text("aws_region_name"))
            .aws_bedrock_runtime_endpoint(text("aws_bedrock_runtime_endpoint"))
            .environment(move |name| environment[name].as_str().map(str::to_owned))
            .build()
            .unwrap();
        assert_eq!(dialect.api_base(), origin, "{}", path.display());
    }
}

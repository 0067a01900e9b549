//! What a recording expects, and where we do better.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::{Value, json};
use ziggurat_core::FailureKind;

use crate::{
    compare::{canonical, diff, fold, lean},
    play::Outcome,
};

/// Failures that the recording gateway judged worse: the kind and the status of ours.
const BETTER_FAILURES: &[(&str, FailureKind, u16)] = &[
    ("openai/err_403_region", FailureKind::PermissionDenied, 403),
    (
        "openai/err_429_insufficient_quota",
        FailureKind::QuotaExceeded,
        429,
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

pub(crate) fn differences(key: &str, fixture: &Value, outcome: &Outcome) -> Vec<String> {
    let mut out = Vec::new();
    if key == "azure/missing_api_base" {
        // Better: the deployment is refused when it is built.
        if !outcome.refused {
            out.push("the deployment was not refused".into());
        }
        return out;
    }
    if outcome.refused {
        return vec!["the deployment was refused".into()];
    }
    request(key, &fixture["upstream_request"], outcome, &mut out);
    answer(key, fixture, outcome, &mut out);
    out
}

fn request(key: &str, expected: &Value, outcome: &Outcome, out: &mut Vec<String>) {
    let keyless = key == "openai_compatible/no_api_key";
    let hit = match (expected.is_null() && !keyless, &outcome.hits[..]) {
        (true, []) => return,
        (false, [hit]) => hit,
        (_, hits) => return out.push(format!("{} requests were sent", hits.len())),
    };
    if hit.header("traceparent") != Some("00-1-2-01") {
        out.push("traceparent was not forwarded".into());
    }
    if keyless {
        // Better: a server at an own address needs no key.
        if hit.header("authorization").is_some() || hit.path() != "/v1/chat/completions" {
            out.push("authorization or path".into());
        }
        return;
    }
    let mut expected = expected.clone();
    better_request(key, &mut expected);
    if hit.method() != "POST" || Some(hit.path()) != expected["path"].as_str() {
        out.push(format!(
            "path: expected {}, got {}",
            expected["path"],
            hit.path()
        ));
    }
    let query: BTreeMap<_, _> = hit
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    diff(&expected["query"], &json!(query), "query", out);
    headers(&expected["headers"], hit.headers(), out);
    let mut body = hit.json().unwrap();
    let mut wanted = expected["body"].clone();
    for body in [&mut body, &mut wanted] {
        // Added unasked to the recordings, or sent as false.
        let body = body.as_object_mut().unwrap();
        if body.get("stream") == Some(&json!(false)) {
            body.remove("stream");
        }
    }
    if body.get("stream_options").is_none() {
        wanted.as_object_mut().unwrap().remove("stream_options");
    }
    diff(&lean(&wanted), &lean(&body), "body", out);
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
        _ => {}
    }
}

fn headers(expected: &Value, actual: &HeaderMap, out: &mut Vec<String>) {
    for (name, value) in expected.as_object().unwrap() {
        let got = actual.get(name).and_then(|value| value.to_str().ok());
        if name != "accept" && got != value.as_str() {
            out.push(format!("header {name}: expected {value}, got {got:?}"));
        }
    }
    for name in ["authorization", "api-key"] {
        if actual.contains_key(name) && expected.get(name).is_none() {
            out.push(format!("header {name}: not expected"));
        }
    }
    if actual
        .get("accept-encoding")
        .is_none_or(|value| value != "identity")
    {
        out.push("header accept-encoding: expected identity".into());
    }
}

fn answer(key: &str, fixture: &Value, outcome: &Outcome, out: &mut Vec<String>) {
    let expected = &fixture["proxy_response"];
    if key == "openai_compatible/no_api_key" {
        return;
    }
    if let Some(events) = expected["sse_data"].as_array() {
        stream(key, fixture, events, outcome, out);
    } else if expected["status"] == 200 {
        let wanted = canonical(&expected["body"]);
        let got = serde_json::from_slice(&outcome.body).unwrap_or_default();
        diff(&wanted, &canonical(&got), "answer", out);
        if outcome.status != 200 || outcome.failure.is_some() {
            out.push(format!(
                "status {}, failure {:?}",
                outcome.status, outcome.failure
            ));
        }
    } else {
        failure(key, fixture, outcome, out);
    }
    for (name, value) in expected["headers"].as_object().into_iter().flatten() {
        // Those left out are the recording gateway's own: of the transport, or there on streams only.
        let is_own = name == "llm_provider-content-type" || name == "llm_provider-request-id";
        let is_reset = name.starts_with("x-ratelimit-reset-");
        let is_named = name.starts_with("llm_provider-") || name.starts_with("x-ratelimit-");
        let got = outcome
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        if is_named && !is_own && !is_reset && got != value.as_str() {
            out.push(format!("header {name}: expected {value}, got {got:?}"));
        }
    }
}

fn stream(key: &str, fixture: &Value, events: &[Value], outcome: &Outcome, out: &mut Vec<String>) {
    let text = std::str::from_utf8(&outcome.body).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let got: Vec<Value> = data
        .map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
        .collect();
    let (mut wanted, got) = (fold(events), fold(&got));
    let is_broken =
        BETTER_FAILURES.iter().any(|(name, ..)| *name == key) && key.contains("truncated");
    if is_broken {
        for choice in wanted.choices.values_mut() {
            choice.remove("finish_reason");
        }
    }
    if wanted.error.is_some() || is_broken {
        if got.done {
            out.push("a failed stream says [DONE]".into());
        }
        failure(key, fixture, outcome, out);
    } else if outcome.failure.is_some() || !got.done {
        out.push(format!("failed: {:?}, done: {}", outcome.failure, got.done));
    }
    if wanted.choices != got.choices {
        out.push(format!(
            "choices: expected {:?}, got {:?}",
            wanted.choices, got.choices
        ));
    }
    if wanted.usage != got.usage {
        out.push(format!(
            "usage: expected {}, got {}",
            wanted.usage, got.usage
        ));
    }
    if wanted.models != got.models {
        out.push(format!(
            "models: expected {:?}, got {:?}",
            wanted.models, got.models
        ));
    }
    // Better: streams without ids get one.
    if got.nameless || got.ids.len() != 1 || (!wanted.ids.is_empty() && wanted.ids != got.ids) {
        out.push(format!("ids: expected {:?}, got {:?}", wanted.ids, got.ids));
    }
}

fn failure(key: &str, fixture: &Value, outcome: &Outcome, out: &mut Vec<String>) {
    let Some(failure) = &outcome.failure else {
        return out.push(format!("no failure, status {}", outcome.status));
    };
    let better = BETTER_FAILURES.iter().find(|(name, ..)| *name == key);
    let (kind, status) = match better {
        Some((_, kind, status)) => (*kind, *status),
        None => {
            let error = &fixture["error"];
            let status = match fixture["proxy_response"]["status"].as_u64() {
                Some(200) | None => error["status"].as_u64().unwrap(),
                Some(status) => status,
            };
            (kind(error["class"].as_str().unwrap(), key), status as u16)
        }
    };
    if failure.kind() != kind || failure.status() != status {
        out.push(format!(
            "failure: expected {kind:?} {status}, got {failure:?}"
        ));
    }
    let sent = &fixture["upstream_response"]["body"]["error"];
    if let Some(message) = sent["message"].as_str().or(sent.as_str())
        && failure
            .upstream()
            .is_none_or(|upstream| upstream.message() != message)
    {
        out.push("the upstream's message was lost".into());
    }
    if failure.deployment().map(|deployment| deployment.as_str()) != Some("deployment-1") {
        out.push("the deployment is not named".into());
    }
}

fn kind(class: &str, key: &str) -> FailureKind {
    match class {
        "BadRequestError" | "UnsupportedParamsError" => FailureKind::BadRequest,
        "ContextWindowExceededError" => FailureKind::ContextWindow,
        "ContentPolicyViolationError" => FailureKind::ContentPolicy,
        "AuthenticationError" => FailureKind::Authentication,
        "NotFoundError" => FailureKind::NotFound,
        "Timeout" => FailureKind::Timeout,
        "RateLimitError" => FailureKind::RateLimited,
        "InternalServerError" | "APIError" if key.contains("malformed") => {
            FailureKind::InvalidResponse
        }
        _ => FailureKind::Server,
    }
}

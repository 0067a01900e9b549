//! What a recording expects.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::{Value, json};
use ziggurat_core::FailureKind;

use super::{
    Better,
    compare::{canonical, diff, fold, forgive_text_tokens, is_generated, lean, say_the_same},
    play::Outcome,
};

/// Where the outcome of a call is not what is expected of it.
#[derive(Default)]
pub(super) struct Differences {
    request: Vec<String>,
    answer: Vec<String>,
    better_request: bool,
    better_answer: bool,
    /// Whether something better than the recording is expected.
    pub(super) is_better: bool,
}

impl Differences {
    pub(super) fn any(&self) -> bool {
        !(self.request.is_empty() && self.answer.is_empty())
    }

    pub(super) fn list(&self) -> String {
        let all = self.request.iter().chain(&self.answer);
        all.map(String::as_str).collect::<Vec<_>>().join("\n  ")
    }

    pub(super) fn request_is_equal(&self) -> bool {
        self.request.is_empty() && !self.better_request
    }

    pub(super) fn answer_is_equal(&self) -> bool {
        self.answer.is_empty() && !self.better_answer
    }
}

pub(super) fn differences(
    key: &str,
    fixture: &Value,
    better: &Better,
    outcome: &Outcome,
) -> Differences {
    let mut out = Differences::default();
    let must_refuse = better.refused.contains(&key);
    if must_refuse || outcome.refused {
        if must_refuse != outcome.refused {
            let not = if must_refuse { "not " } else { "" };
            out.answer.push(format!("the deployment was {not}refused"));
        }
        out.is_better = must_refuse;
        out.better_answer = must_refuse;
        return out;
    }
    let mut wanted = fixture["upstream_request"].clone();
    (better.request)(key, &mut wanted);
    out.better_request = wanted != fixture["upstream_request"];
    request(&wanted, outcome, &mut out.request);
    let mut wanted = fixture["proxy_response"].clone();
    (better.answer)(key, &mut wanted);
    let failure = better.failures.iter().find(|(name, ..)| *name == key);
    out.better_answer = wanted != fixture["proxy_response"] || failure.is_some();
    out.is_better = out.better_request || out.better_answer;
    let expected = Expected {
        key,
        fixture,
        proxy: &wanted,
        failure: failure.map(|(_, kind, status)| (*kind, *status)),
    };
    expected.answer(outcome, &mut out.answer);
    out
}

fn request(expected: &Value, outcome: &Outcome, out: &mut Vec<String>) {
    let hit = match (expected.is_null(), &outcome.hits[..]) {
        (true, []) => return,
        (false, [hit]) => hit,
        (_, hits) => return out.push(format!("{} requests were sent", hits.len())),
    };
    if hit.header("traceparent") != Some("00-1-2-01") {
        out.push("traceparent was not forwarded".into());
    }
    if hit.method() != "POST" || Some(hit.path()) != expected["path"].as_str() {
        let (wanted, got) = (&expected["path"], hit.path());
        out.push(format!("path: expected {wanted}, got {got}"));
    }
    let query: BTreeMap<_, _> = hit
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    diff(&expected["query"], &json!(query), "query", out);
    headers(&expected["headers"], hit.headers(), out);
    let mut body: Value = hit.json().unwrap_or_default();
    let mut wanted = expected["body"].clone();
    for body in [&mut body, &mut wanted] {
        // Added unasked to the recordings, or sent as false.
        if body.get("stream") == Some(&json!(false)) {
            body.as_object_mut().map(|body| body.remove("stream"));
        }
    }
    if body.get("stream_options").is_none() {
        wanted
            .as_object_mut()
            .map(|wanted| wanted.remove("stream_options"));
    }
    diff(&lean(&wanted), &lean(&body), "body", out);
}

fn headers(expected: &Value, actual: &HeaderMap, out: &mut Vec<String>) {
    for (name, value) in expected.as_object().into_iter().flatten() {
        let got = actual.get(name).and_then(|value| value.to_str().ok());
        if name != "accept" && got != value.as_str() {
            out.push(format!("header {name}: expected {value}, got {got:?}"));
        }
    }
    for name in ["authorization", "api-key", "x-api-key", "anthropic-beta"] {
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

/// What the client must get.
struct Expected<'a> {
    key: &'a str,
    fixture: &'a Value,
    proxy: &'a Value,
    /// The kind and the status of the failure, where the recorded one is bettered.
    failure: Option<(FailureKind, u16)>,
}

impl Expected<'_> {
    fn answer(&self, outcome: &Outcome, out: &mut Vec<String>) {
        if let Some(events) = self.proxy["sse_data"].as_array() {
            self.stream(events, outcome, out);
        } else if self.proxy["status"] == 200 && self.failure.is_none() {
            let mut wanted = canonical(&self.proxy["body"]);
            let got = canonical(&serde_json::from_slice(&outcome.body).unwrap_or_default());
            if let Some(usage) = wanted.get_mut("usage") {
                forgive_text_tokens(usage, &got["usage"]);
            }
            diff(&wanted, &got, "answer", out);
            if outcome.status != 200 || outcome.failure.is_some() {
                let (status, failure) = (outcome.status, &outcome.failure);
                out.push(format!("status {status}, failure {failure:?}"));
            }
        } else {
            self.failure(outcome, out);
        }
        for (name, value) in self.proxy["headers"].as_object().into_iter().flatten() {
            // Those left out are the recording gateway's own: of the transport, or there on streams only.
            let is_own = name == "llm_provider-content-type" || name == "llm_provider-request-id";
            let is_reset = name.starts_with("x-ratelimit-reset-");
            let sent = &self.fixture["upstream_response"]["headers"];
            let is_made_up = name.starts_with("llm_provider-x-ratelimit-")
                && sent.get(name.trim_start_matches("llm_provider-")).is_none();
            let is_named = name.starts_with("llm_provider-") || name.starts_with("x-ratelimit-");
            let got = outcome.headers.get(name);
            let got = got.and_then(|value| value.to_str().ok());
            let is_lost = is_made_up && got.is_none();
            if is_named && !is_own && !is_reset && !is_lost && got != value.as_str() {
                out.push(format!("header {name}: expected {value}, got {got:?}"));
            }
        }
    }

    fn stream(&self, events: &[Value], outcome: &Outcome, out: &mut Vec<String>) {
        let text = String::from_utf8_lossy(&outcome.body);
        let data = text.split("\n\n").filter_map(|event| {
            let mut lines = event.lines();
            lines.find_map(|line| line.strip_prefix("data: "))
        });
        let got = data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()));
        let (mut wanted, got) = (fold(events), fold(&got.collect::<Vec<_>>()));
        let is_broken = self.failure.is_some() && self.key.contains("truncated");
        if is_broken {
            for choice in wanted.choices.values_mut() {
                choice.remove("finish_reason");
            }
        }
        if wanted.error.is_some() || is_broken {
            if got.done {
                out.push("a failed stream says [DONE]".into());
            }
            self.failure(outcome, out);
        } else if outcome.failure.is_some() || !got.done {
            out.push(format!("failed: {:?}, done: {}", outcome.failure, got.done));
        }
        let mut compare = |what: &str, wanted: String, got: String| {
            if wanted != got {
                out.push(format!("{what}: expected {wanted}, got {got}"));
            }
        };
        forgive_text_tokens(&mut wanted.usage, &got.usage);
        let (choices, usage) = (&wanted.choices, &wanted.usage);
        if !say_the_same(&wanted, &got) {
            compare(
                "choices",
                format!("{choices:?}"),
                format!("{:?}", got.choices),
            );
        }
        compare("usage", usage.to_string(), got.usage.to_string());
        compare(
            "models",
            format!("{:?}", wanted.models),
            format!("{:?}", got.models),
        );
        // Better: streams without ids get one.
        let ids_fit = match (&wanted.ids[..], &got.ids[..]) {
            ([], [_]) => true,
            ([wanted], [got]) => wanted == got || is_generated(wanted, got),
            ([], []) => wanted.choices.is_empty(),
            _ => false,
        };
        if got.nameless || !ids_fit {
            out.push(format!("ids: expected {:?}, got {:?}", wanted.ids, got.ids));
        }
    }

    fn failure(&self, outcome: &Outcome, out: &mut Vec<String>) {
        let Some(failure) = &outcome.failure else {
            return out.push(format!("no failure, status {}", outcome.status));
        };
        let (kind, status) = self.failure.unwrap_or_else(|| self.recorded_failure());
        if failure.kind() != kind || failure.status() != status {
            out.push(format!(
                "failure: expected {kind:?} {status}, got {failure:?}"
            ));
        }
        let sent = &self.fixture["upstream_response"]["body"]["error"];
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

    fn recorded_failure(&self) -> (FailureKind, u16) {
        let error = &self.fixture["error"];
        let status = match self.proxy["status"].as_u64() {
            Some(200) | None => error["status"].as_u64().unwrap_or_default(),
            Some(status) => status,
        };
        let class = error["class"].as_str().unwrap_or_default();
        (kind(class, self.key), status as u16)
    }
}

fn kind(class: &str, key: &str) -> FailureKind {
    match class {
        "BadRequestError" | "UnsupportedParamsError" => FailureKind::BadRequest,
        "ContextWindowExceededError" => FailureKind::ContextWindow,
        "ContentPolicyViolationError" => FailureKind::ContentPolicy,
        "PermissionDeniedError" => FailureKind::PermissionDenied,
        "AuthenticationError" => FailureKind::Authentication,
        "NotFoundError" => FailureKind::NotFound,
        "Timeout" => FailureKind::Timeout,
        "RateLimitError" => FailureKind::RateLimited,
        "InternalServerError" | "APIError" | "APIConnectionError" if key.contains("malformed") => {
            FailureKind::InvalidResponse
        }
        _ => FailureKind::Server,
    }
}

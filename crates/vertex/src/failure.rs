//! What an error of Google's means.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use ziggurat_core::{Failure, FailureKind, UpstreamError};
use ziggurat_provider::{phrases, redact};

/// Most characters of an upstream's message that are kept.
const LONGEST: usize = 2_000;

/// Longest wait that is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// An error as Google writes it: `{"error": {"code", "message", "status", "details"}}`.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    message: String,
    code: Option<u16>,
    /// One of gRPC's, such as `RESOURCE_EXHAUSTED`.
    status: Option<String>,
    /// What is wrong in particular, such as `API_KEY_INVALID`.
    reason: Option<String>,
    /// When to ask again.
    wait: Option<Duration>,
}

impl Wire {
    /// Reads the body of an error answer, be it JSON or not, and cuts the secrets out of it.
    pub(crate) fn of_body(body: &mut Bytes, secrets: &[Box<str>]) -> Self {
        if let Some(value) = redact::body(secrets, body) {
            return Self::of_value(&value);
        }
        let text = String::from_utf8_lossy(body);
        let words: Vec<&str> = text.split_whitespace().collect();
        Self {
            message: shorten(&words.join(" ")),
            ..Self::default()
        }
    }

    /// Reads an error that came in place of an answer; `None` if it says nothing.
    pub(crate) fn in_answer(body: &[u8], secrets: &[Box<str>]) -> Option<Self> {
        let mut value: Value = serde_json::from_slice(body).ok()?;
        let first = match &value {
            Value::Array(values) => values.first()?,
            value => value,
        };
        match first.get("error")? {
            Value::Null | Value::Bool(false) => return None,
            Value::Object(error) if error.is_empty() => return None,
            Value::String(error) if error.is_empty() => return None,
            _ => {}
        }
        redact::value(secrets, &mut value);
        Some(Self::of_value(&value))
    }

    /// Streams that are not events are lists: the error is in the first of it.
    fn of_value(value: &Value) -> Self {
        let first = match value {
            Value::Array(values) => values.first().unwrap_or(value),
            value => value,
        };
        match first.get("error") {
            Some(Value::Object(error)) => Self::of_object(error),
            Some(Value::String(error)) => Self {
                message: shorten(error),
                ..Self::default()
            },
            _ => match first {
                Value::Object(top) if top.contains_key("message") => Self::of_object(top),
                other => Self {
                    message: shorten(&other.to_string()),
                    ..Self::default()
                },
            },
        }
    }

    fn of_object(error: &Map<String, Value>) -> Self {
        let text = |name: &str| error.get(name).and_then(Value::as_str);
        let details = error.get("details").and_then(Value::as_array);
        let details = details.into_iter().flatten();
        let find = |name: &str| details.clone().find_map(|it| it.get(name)?.as_str());
        Self {
            message: shorten(text("message").unwrap_or_default()),
            code: error
                .get("code")
                .and_then(Value::as_u64)
                .and_then(|code| code.try_into().ok()),
            status: text("status").map(str::to_owned),
            reason: find("reason").map(str::to_owned),
            wait: find("retryDelay").and_then(seconds),
        }
    }

    /// Makes the failure of an answer with a status.
    pub(crate) fn refused(
        self,
        provider: &'static str,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Failure {
        let kind = self.judge(status);
        let mut failure = Failure::from_head(kind, status, headers);
        if FailureKind::from_status(status) != Some(kind) {
            failure = failure.with_status(kind.status());
        }
        self.finish(failure, provider)
    }

    /// Makes the failure of an error that came in place of an answer, or inside a stream.
    pub(crate) fn in_band(self, provider: &'static str) -> Failure {
        let code = self.code.filter(|code| (400..=599).contains(code));
        let status = code
            .and_then(|code| StatusCode::from_u16(code).ok())
            .or_else(|| self.own_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = self.judge(status);
        let failure = match FailureKind::from_status(status) {
            Some(by_status) if by_status == kind => Failure::new(kind).with_status(status),
            _ => Failure::new(kind),
        };
        self.finish(failure, provider)
    }

    fn finish(self, mut failure: Failure, provider: &'static str) -> Failure {
        // LiteLLM's clients know it as a 500.
        if failure.status() == StatusCode::SERVICE_UNAVAILABLE && self.is_overloaded() {
            failure = failure.with_status(StatusCode::INTERNAL_SERVER_ERROR);
        }
        if failure.retry_after().is_none()
            && let Some(wait) = self.wait
            && matches!(
                failure.kind(),
                FailureKind::RateLimited | FailureKind::Server
            )
        {
            failure = failure.with_retry_after(wait);
        }
        let mut upstream = UpstreamError::new(provider, self.message);
        // gRPC's word is no type of OpenAI's, but it says more than the number.
        if let Some(code) = self.status.or(self.code.map(|code| code.to_string())) {
            upstream = upstream.with_code(code);
        }
        failure.with_upstream(upstream)
    }

    /// The status says it all, unless it is that of a refused request. Only messages of Google's own are looked at, as they
    /// begin: a message may quote the request.
    fn judge(&self, status: StatusCode) -> FailureKind {
        let by_status = FailureKind::from_status(status).unwrap_or(FailureKind::Server);
        match status.as_u16() {
            500.. if self.code == Some(429) => FailureKind::RateLimited,
            400 | 413 | 422 => self.refusal().unwrap_or(by_status),
            _ => by_status,
        }
    }

    fn refusal(&self) -> Option<FailureKind> {
        match self.reason.as_deref() {
            Some("API_KEY_INVALID" | "API_KEY_EXPIRED") => {
                return Some(FailureKind::Authentication);
            }
            Some("RATE_LIMIT_EXCEEDED") => return Some(FailureKind::RateLimited),
            _ => {}
        }
        let message = self.message.to_lowercase();
        let begins = |beginnings: &[&str]| beginnings.iter().any(|it| message.starts_with(it));
        if begins(&["api key not valid", "api key expired", "api_key_invalid"]) {
            return Some(FailureKind::Authentication);
        }
        if begins(&[
            "the response was blocked",
            "output blocked by content filtering policy",
        ]) {
            return Some(FailureKind::ContentPolicy);
        }
        if begins(&["quota exceeded for", "resource exhausted"]) {
            return Some(FailureKind::RateLimited);
        }
        let supports =
            message.contains("input token count is ") && message.contains("only supports up to");
        let is_too_long = supports
            || begins(&[
                "request payload size exceeds",
                "the input token count",
                "400 request payload size exceeds",
            ]);
        if is_too_long {
            return Some(FailureKind::ContextWindow);
        }
        phrases::refused(&self.message)
    }

    fn is_overloaded(&self) -> bool {
        self.message.starts_with("The model is overloaded")
    }

    /// The status that the error would have had, by gRPC's words.
    fn own_status(&self) -> Option<StatusCode> {
        let status = match self.status.as_deref()? {
            "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
            "UNAUTHENTICATED" => 401,
            "PERMISSION_DENIED" => 403,
            "NOT_FOUND" => 404,
            "RESOURCE_EXHAUSTED" => 429,
            "UNAVAILABLE" => 503,
            "DEADLINE_EXCEEDED" => 504,
            _ => return None,
        };
        StatusCode::from_u16(status).ok()
    }
}

/// Reads a duration of protobuf's: seconds, perhaps with a fraction, and `s`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    (wait <= LONGEST_WAIT).then_some(wait)
}

fn shorten(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

//! What an error of the upstream means.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use ziggurat_core::{Failure, FailureKind, UpstreamError};
use ziggurat_provider::{phrases, redact};

const PROVIDER: &str = "Anthropic";

/// Most characters of an upstream's message that are kept.
const LONGEST: usize = 2_000;

/// Known beginnings of messages about prompts that do not fit, beside those of all servers.
const CONTEXT: &[&str] = &["prompt is too long", "prompt: length"];

/// Known sentences about harmful prompts and answers.
const POLICY: &[&str] = &[
    "output blocked by content filtering policy",
    "input blocked by content filtering policy",
    "content blocked by content filtering policy",
];

/// An error as Anthropic writes it: `{"type": "error", "error": {"type": …, "message": …}}`; or as a server before it does.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    message: String,
    kind: Option<String>,
}

impl Wire {
    /// Reads a body, be it JSON or not, without the secrets in it.
    pub(crate) fn of(body: &[u8], secrets: &[Box<str>]) -> Self {
        match serde_json::from_slice(body) {
            Ok(mut value) => {
                redact::value(secrets, &mut value);
                Self::of_value(&value)
            }
            Err(_) => {
                let text = redact::text(secrets, &String::from_utf8_lossy(body));
                let words: Vec<&str> = text.split_whitespace().collect();
                Self {
                    message: shorten(words.join(" ")),
                    kind: None,
                }
            }
        }
    }

    /// Reads the body of an error answer, and cuts the secrets out of the body too.
    pub(crate) fn of_body(body: &mut Bytes, secrets: &[Box<str>]) -> Self {
        match redact::body(secrets, body) {
            Some(value) => Self::of_value(&value),
            None => Self::of(body, secrets),
        }
    }

    fn of_value(value: &Value) -> Self {
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let error = match &value["error"] {
            error @ Value::Object(_) => error,
            Value::String(message) => {
                return Self {
                    message: shorten(message.trim().to_owned()),
                    kind: None,
                };
            }
            _ => value,
        };
        let message = text(&error["message"]).or_else(|| text(&value["detail"]));
        Self {
            message: shorten(message.unwrap_or_else(|| value.to_string())),
            kind: text(&error["type"]),
        }
    }

    /// Makes the failure of an answer with a status.
    pub(crate) fn refused(self, status: StatusCode, headers: &HeaderMap) -> Failure {
        let kind = self.judge(status);
        let mut failure = Failure::from_head(kind, status, headers);
        if let Some(status) = shown(kind, status) {
            failure = failure.with_status(status);
        }
        match headers.get("x-should-retry").map(|value| value.as_bytes()) {
            Some(b"true") => failure = failure.with_should_retry(true),
            Some(b"false") => failure = failure.with_should_retry(false),
            _ => {}
        }
        failure.with_upstream(self.upstream())
    }

    /// Makes the failure of an error that came in place of an answer, or inside a stream: its status is 200 and says
    /// nothing, so that the error's own words count.
    pub(crate) fn in_band(self) -> Failure {
        let Some(status) = self.own_status() else {
            let kind = self.refined().unwrap_or(FailureKind::Server);
            return Failure::new(kind).with_upstream(self.upstream());
        };
        let kind = self.judge(status);
        let status = shown(kind, status).unwrap_or(status);
        let failure = Failure::new(kind).with_status(status);
        failure.with_upstream(self.upstream())
    }

    /// The status that the error would have had; `None` if its type is not known.
    fn own_status(&self) -> Option<StatusCode> {
        Some(match self.kind.as_deref()? {
            "invalid_request_error" => StatusCode::BAD_REQUEST,
            "authentication_error" => StatusCode::UNAUTHORIZED,
            "billing_error" => StatusCode::PAYMENT_REQUIRED,
            "permission_error" => StatusCode::FORBIDDEN,
            "not_found_error" => StatusCode::NOT_FOUND,
            "request_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
            "rate_limit_error" => StatusCode::TOO_MANY_REQUESTS,
            "timeout_error" => StatusCode::GATEWAY_TIMEOUT,
            "api_error" | "overloaded_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => return None,
        })
    }

    /// The status says it all, unless it is that of a refused request.
    fn judge(&self, status: StatusCode) -> FailureKind {
        let by_status = FailureKind::from_status(status).unwrap_or(FailureKind::Server);
        match status.as_u16() {
            400 | 413 | 422 => self.refined().unwrap_or(by_status),
            _ => by_status,
        }
    }

    /// What the words say.
    fn refined(&self) -> Option<FailureKind> {
        if phrases::begins(&self.message, CONTEXT) {
            return Some(FailureKind::ContextWindow);
        }
        if phrases::begins(&self.message, POLICY) {
            return Some(FailureKind::ContentPolicy);
        }
        phrases::refused(&self.message)
    }

    fn upstream(self) -> UpstreamError {
        let upstream = UpstreamError::new(PROVIDER, self.message);
        match self.kind {
            Some(kind) => upstream.with_type(kind),
            None => upstream,
        }
    }
}

/// The status that clients see in place of the upstream's: 529 is known to Anthropic's own only, and a prompt that does
/// not fit is a 400 whatever it was called.
fn shown(kind: FailureKind, status: StatusCode) -> Option<StatusCode> {
    match status.as_u16() {
        529 => Some(StatusCode::INTERNAL_SERVER_ERROR),
        _ if FailureKind::from_status(status) != Some(kind) => Some(kind.status()),
        _ => None,
    }
}

fn shorten(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

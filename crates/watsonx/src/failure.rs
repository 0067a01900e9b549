//! What an error of watsonx means.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use ziggurat_core::{Failure, FailureKind, UpstreamError, json::Document};
use ziggurat_provider::{phrases, redact};

/// The name in messages for clients.
const LABEL: &str = "Watsonx";

/// Most characters of an upstream's message that are kept.
const LONGEST: usize = 2_000;

/// An error as IBM's servers write it, whatever shape it came in.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    message: String,
    code: Option<String>,
    status: Option<StatusCode>,
}

impl Wire {
    /// Reads a body, be it JSON of any known shape or none, without the secrets in it.
    pub(crate) fn of(body: &[u8], secrets: &[Box<str>]) -> Self {
        match serde_json::from_slice(body) {
            Ok(mut value) => {
                redact::value(secrets, &mut value);
                Self::of_value(&value)
            }
            Err(_) => Self {
                message: line(&redact::text(secrets, &String::from_utf8_lossy(body))),
                ..Self::default()
            },
        }
    }

    /// Reads the body of an error answer, and cuts the secrets out of the body too.
    pub(crate) fn of_body(body: &mut Bytes, secrets: &[Box<str>]) -> Self {
        match redact::body(secrets, body) {
            Some(value) => Self::of_value(&value),
            None => Self::of(body, secrets),
        }
    }

    /// Reads `{"errors": [{"code": …, "message": …}], "status_code": …}`, IAM's `{"errorCode": …, "errorMessage": …}`,
    /// `{"error": …}`, or what a gateway between may write.
    fn of_value(value: &Value) -> Self {
        let top = match value {
            Value::Object(top) => top,
            other => {
                return Self {
                    message: shown(other),
                    ..Self::default()
                };
            }
        };
        let first = top.get("errors").and_then(|errors| errors.get(0));
        let mut wire = match first.or_else(|| top.get("error")) {
            Some(Value::Object(error)) => Self::of_object(error),
            Some(Value::String(error)) => Self {
                message: shorten(error.clone()),
                ..Self::of_object(top)
            },
            _ => Self::of_object(top),
        };
        if wire.message.is_empty() && !top.contains_key("choices") && !top.contains_key("results") {
            wire.message = shorten(value.to_string());
        }
        let status = ["status_code", "statusCode", "status"];
        let status = status.iter().find_map(|name| top.get(*name)?.as_u64());
        wire.status = status
            .filter(|status| (400..=599).contains(status))
            .and_then(|status| StatusCode::from_u16(status as u16).ok());
        wire
    }

    fn of_object(error: &Map<String, Value>) -> Self {
        let find = |names: &[&str]| names.iter().find_map(|name| error.get(*name));
        let message = find(&["message", "errorMessage", "detail", "description"]);
        let code = find(&["code", "errorCode", "type"]);
        Self {
            message: message.map(shown).unwrap_or_default(),
            code: code.and_then(|code| match code {
                Value::String(code) if !code.is_empty() => Some(code.clone()),
                Value::Number(code) => Some(code.to_string()),
                _ => None,
            }),
            status: None,
        }
    }

    pub(crate) fn message(self) -> String {
        self.message
    }

    /// Makes the failure of an answer with a status.
    pub(crate) fn refused(self, status: StatusCode, headers: &HeaderMap) -> Failure {
        let kind = self.judge(Some(status));
        let mut failure = Failure::from_head(kind, status, headers);
        if FailureKind::from_status(status) != Some(kind) {
            failure = failure.with_status(kind.status());
        }
        failure.with_upstream(self.upstream())
    }

    /// Makes the failure of an error that came in place of an answer, or inside a stream: its status is 200 and says
    /// nothing, so that the error's own words count.
    pub(crate) fn in_band(self) -> Failure {
        let status = self.status;
        let kind = self.judge(status);
        let failure = Failure::new(kind);
        let failure = match status {
            Some(status) if FailureKind::from_status(status) == Some(kind) => {
                failure.with_status(status)
            }
            _ => failure,
        };
        failure.with_upstream(self.upstream())
    }

    /// A code that says it all comes first; the status next; the words refine a request that was refused.
    fn judge(&self, status: Option<StatusCode>) -> FailureKind {
        let by_code = self.code.as_deref().and_then(by_code);
        if by_code == Some(FailureKind::RateLimited) {
            return FailureKind::RateLimited;
        }
        let by_status = status
            .and_then(FailureKind::from_status)
            .unwrap_or(FailureKind::Server);
        if !matches!(
            status.map(|status| status.as_u16()),
            None | Some(400 | 413 | 422 | 424)
        ) {
            return by_status;
        }
        let refined = by_code.or_else(|| phrases::refused(&self.message));
        match refined {
            Some(kind) => kind,
            None if status.is_none() && phrases::is_rate_limit(&self.message) => {
                FailureKind::RateLimited
            }
            None => by_status,
        }
    }

    fn upstream(self) -> UpstreamError {
        let upstream = UpstreamError::new(LABEL, self.message);
        match self.code {
            Some(code) => upstream.with_code(code),
            None => upstream,
        }
    }
}

/// Says whether a document of status 200 is an error.
pub(crate) fn is_error(document: &Document) -> bool {
    ["errors", "error"].iter().any(|name| {
        let Some(error) = document.get(name) else {
            return false;
        };
        match error.as_bytes() {
            b"null" | b"false" | b"0" | b"\"\"" => false,
            [b'{', inside @ .., b'}'] | [b'[', inside @ .., b']'] => {
                !inside.trim_ascii().is_empty()
            }
            _ => true,
        }
    })
}

fn by_code(code: &str) -> Option<FailureKind> {
    Some(match code {
        "token_quota_reached" | "rate_limit_reached_requests" | "rate_limit_reached_tokens" => {
            FailureKind::RateLimited
        }
        "context_length_exceeded" => FailureKind::ContextWindow,
        "content_policy_violation" | "content_filter" => FailureKind::ContentPolicy,
        "model_not_supported" | "model_not_found" => FailureKind::NotFound,
        "authentication_token_expired" | "authentication_token_not_valid" => {
            FailureKind::Authentication
        }
        _ => return None,
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => shorten(text.trim().to_owned()),
        other => shorten(other.to_string()),
    }
}

/// One line, not too long.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    shorten(words.join(" "))
}

fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

//! What an error of the upstream means.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use ziggurat_core::{Failure, FailureKind, UpstreamError};

/// Most characters of an upstream's message that are kept.
const LONGEST: usize = 2_000;

/// An error as OpenAI's family writes it, whatever shape it came in.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    message: String,
    kind: Option<String>,
    param: Option<String>,
    code: Option<String>,
    inner_code: Option<String>,
    fields: Option<Bytes>,
}

impl Wire {
    /// Reads a body, be it JSON of any known shape or none.
    pub(crate) fn of(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(value) => Self::of_value(&value),
            Err(_) => Self {
                message: compact(&String::from_utf8_lossy(body)),
                ..Self::default()
            },
        }
    }

    /// Reads a document of a known shape: `{"error": {…}}`, `{"error": "…"}`, `{"message": …}`, `{"detail": …}`,
    /// `{"errors": [{…}]}`, a string, or a list of such.
    pub(crate) fn of_value(value: &Value) -> Self {
        let top = match value {
            Value::Array(values) => match values.first() {
                Some(first) => return Self::of_value(first),
                None => return Self::default(),
            },
            Value::Object(top) => top,
            other => return Self::text(other),
        };
        let mut wire = match (top.get("error"), top.get("errors")) {
            (Some(Value::Object(error)), _) => Self::of_object(error),
            (Some(error @ Value::String(_)), _) => Self {
                kind: text(top.get("error_type")),
                ..Self::text(error)
            },
            (_, Some(Value::Array(errors))) if !errors.is_empty() => Self::of_value(&errors[0]),
            _ => Self::of_object(top),
        };
        if wire.message.is_empty() {
            wire.message = shorten(match top.get("detail") {
                Some(Value::String(detail)) => detail.clone(),
                _ => value.to_string(),
            });
        }
        wire
    }

    fn of_object(error: &Map<String, Value>) -> Self {
        let inner = error.get("innererror").or_else(|| error.get("inner_error"));
        let fields = inner.map(|inner| {
            let fields = serde_json::json!({
                "innererror": inner, "inner_error": inner, "azure_error": error,
            });
            Bytes::from(fields.to_string())
        });
        Self {
            message: error
                .get("message")
                .map(|message| Self::text(message).message)
                .unwrap_or_default(),
            kind: text(error.get("type")),
            param: text(error.get("param")),
            code: text(error.get("code")),
            inner_code: inner.and_then(|inner| text(inner.get("code"))),
            fields,
        }
    }

    fn text(value: &Value) -> Self {
        let message = match value {
            Value::String(message) => shorten(message.trim().to_owned()),
            other => shorten(other.to_string()),
        };
        Self {
            message,
            ..Self::default()
        }
    }

    /// Makes the failure of an answer with a status.
    pub(crate) fn refused(
        self,
        provider: &'static str,
        status: StatusCode,
        headers: &HeaderMap,
        secrets: &[Box<str>],
    ) -> Failure {
        let kind = self.judge(status);
        let mut failure = Failure::from_head(kind, status, headers);
        if kind_has_own_status(kind, status) {
            failure = failure.with_status(kind.status());
        }
        if let Some(should_retry) = should_retry(headers) {
            failure = failure.with_should_retry(should_retry);
        }
        failure.with_upstream(self.upstream(provider, secrets))
    }

    /// Makes the failure of an error that came in place of an answer, or inside a stream: its status is 200 and says
    /// nothing, so that the error's own words count.
    pub(crate) fn in_band(self, provider: &'static str, secrets: &[Box<str>]) -> Failure {
        let status = self.own_status();
        let kind = self.judge(status);
        let failure = Failure::new(kind);
        let failure = match kind_has_own_status(kind, status) {
            true => failure,
            false => failure.with_status(status),
        };
        failure.with_upstream(self.upstream(provider, secrets))
    }

    /// The status that the error would have had.
    fn own_status(&self) -> StatusCode {
        let code = self.code.as_deref().and_then(|code| code.parse().ok());
        if let Some(status) = code.filter(|status| (400..=599).contains(status)) {
            return StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let words = [self.code.as_deref(), self.kind.as_deref()];
        let status = words.into_iter().flatten().find_map(|word| {
            Some(match word {
                "invalid_request_error" | "BadRequestError" | "validation" => 400,
                "authentication_error" | "invalid_api_key" => 401,
                "permission_error" => 403,
                "not_found_error" | "model_not_found" => 404,
                "timeout" | "timeout_error" => 408,
                "rate_limit_error"
                | "rate_limit_exceeded"
                | "insufficient_quota"
                | "overloaded"
                | "requests"
                | "tokens" => 429,
                "overloaded_error" => 503,
                _ => return None,
            })
        });
        let status = status.unwrap_or(500);
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn judge(&self, status: StatusCode) -> FailureKind {
        let by_status = FailureKind::from_status(status).unwrap_or(FailureKind::Server);
        let codes = [&self.code, &self.kind, &self.inner_code];
        let mut codes = codes.into_iter().filter_map(Option::as_deref);
        // The status says it all in these; a text that mentions a limit must not turn a 500 into a 429.
        match status.as_u16() {
            429 if codes.any(|code| code == "insufficient_quota") => {
                return FailureKind::QuotaExceeded;
            }
            400 | 413 | 422 => {}
            _ => return by_status,
        }
        if let Some(kind) = codes.find_map(by_code) {
            return kind;
        }
        by_text(&self.message.to_lowercase()).unwrap_or(by_status)
    }

    fn upstream(self, provider: &'static str, secrets: &[Box<str>]) -> UpstreamError {
        let scrub = |text: String| {
            secrets
                .iter()
                .fold(text, |text, secret| text.replace(&**secret, REDACTED))
        };
        let mut upstream = UpstreamError::new(provider, scrub(self.message));
        if let Some(kind) = self.kind {
            upstream = upstream.with_type(scrub(kind));
        }
        if let Some(param) = self.param {
            upstream = upstream.with_param(scrub(param));
        }
        if let Some(code) = self.code {
            upstream = upstream.with_code(scrub(code));
        }
        match self.fields {
            Some(fields) => upstream.with_fields(fields),
            None => upstream,
        }
    }
}

/// What stands in place of a key.
pub(crate) const REDACTED: &str = "[redacted]";

/// Whether the status of the answer says less than the kind does: a prompt that does not fit is a 400, whether the
/// server called it a 413 or a 422.
fn kind_has_own_status(kind: FailureKind, status: StatusCode) -> bool {
    FailureKind::from_status(status) != Some(kind)
}

fn by_code(code: &str) -> Option<FailureKind> {
    Some(match code {
        "context_length_exceeded" => FailureKind::ContextWindow,
        "content_filter"
        | "content_policy_violation"
        | "ResponsibleAIPolicyViolation"
        | "ContentFiltered" => FailureKind::ContentPolicy,
        "rate_limit_exceeded" => FailureKind::RateLimited,
        "insufficient_quota" => FailureKind::QuotaExceeded,
        "invalid_api_key" => FailureKind::Authentication,
        "model_not_found" | "DeploymentNotFound" => FailureKind::NotFound,
        _ => return None,
    })
}

/// Refines a 400, 413 or 422 by the message, in lower case. Only whole phrases of servers' own errors count, as a
/// message may quote the prompt.
fn by_text(text: &str) -> Option<FailureKind> {
    const CONTEXT: &[&str] = &[
        "maximum context length is",
        "model's maximum context limit",
        "exceed context limit",
        "longer than the model's context length",
        "input tokens exceed the configured limit",
        "`inputs` tokens + `max_new_tokens` must be",
        "`inputs` must have less than",
        "exceeds the available context size",
        "exceeds the maximum number of tokens allowed",
        "string too long. expected a string with maximum length",
        "length limit exceeded",
    ];
    const CONTEXT_PAIRS: &[(&str, &str)] = &[
        ("current length is", "while limit is"),
        ("maximum input length is", "tokens"),
    ];
    const POLICY: &[&str] = &[
        "content_policy_violation",
        "content_filter_policy",
        "responsibleaipolicyviolation",
        "the response was filtered due to the prompt triggering azure openai's content management",
        "rejected as a result of our safety system",
        "rejected as a result of the safety system",
        "failed as a result of our safety system",
        "the model produced invalid content",
    ];
    let has = |phrase: &&str| text.contains(phrase);
    let both = |(one, other): &(&str, &str)| text.contains(one) && text.contains(other);
    let over_long_field = text.contains("string_above_max_length")
        || (text.contains("invalid 'user'") && text.contains("string too long"));
    if !over_long_field && (CONTEXT.iter().any(has) || CONTEXT_PAIRS.iter().any(both)) {
        return Some(FailureKind::ContextWindow);
    }
    if POLICY.iter().any(has) || both(&("invalid prompt", "violating our usage policy")) {
        return Some(FailureKind::ContentPolicy);
    }
    [
        "rate limit",
        "rate-limit",
        "rate_limit",
        "service tier capacity exceeded",
    ]
    .iter()
    .any(has)
    .then_some(FailureKind::RateLimited)
}

/// The upstream's word on whether to ask again, in OpenAI's header.
fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-should-retry")?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// One line, not too long.
fn compact(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    shorten(words.join(" "))
}

fn shorten(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

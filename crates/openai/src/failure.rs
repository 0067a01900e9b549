//! What an error of the upstream means.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use ziggurat_core::{Failure, FailureKind, UpstreamError, json};

use ziggurat_provider::{phrases, redact};

/// Most characters of an upstream's message that are kept.
const LONGEST: usize = 2_000;

/// Most bytes of further details that are kept; the longest filter results have about two thousand.
const LARGEST_FIELDS: usize = 16 * 1024;

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
    /// Reads a body, be it JSON of any known shape or none, without the secrets in it.
    pub(crate) fn of(body: &[u8], secrets: &[Box<str>]) -> Self {
        match serde_json::from_slice(body) {
            Ok(mut value) => {
                redact::value(secrets, &mut value);
                Self::of_value(&value)
            }
            Err(_) => Self {
                message: compact(&redact::text(secrets, &String::from_utf8_lossy(body))),
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

    /// Reads a document of a known shape: `{"error": {…}}`, `{"error": "…"}`, `{"message": …}`, `{"detail": …}`,
    /// `{"errors": [{…}]}`, `{"response": {"error": {…}}}`, a string, or a list of such.
    fn of_value(value: &Value) -> Self {
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
            _ => match top
                .get("response")
                .and_then(|response| response.get("error"))
            {
                Some(Value::Object(error)) => Self::of_object(error),
                _ => Self::of_object(top),
            },
        };
        if wire.message.is_empty() {
            wire.message = shorten(match top.get("detail") {
                Some(Value::String(detail)) => detail.clone(),
                // An answer is no message.
                _ if top.contains_key("choices") || top.contains_key("response") => {
                    let error = top.get("error").filter(|error| error.is_object());
                    error.map(Value::to_string).unwrap_or_default()
                }
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
        let fields = fields.filter(|fields| fields.len() <= LARGEST_FIELDS);
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

    pub(crate) fn into_message(self) -> String {
        self.message
    }

    /// Makes the failure of an answer with a status.
    pub(crate) fn refused(
        self,
        provider: &'static str,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Failure {
        let kind = self.judge(Some(status));
        let mut failure = Failure::from_head(kind, status, headers);
        if kind_has_own_status(kind, status) {
            failure = failure.with_status(kind.status());
        }
        if let Some(should_retry) = should_retry(headers) {
            failure = failure.with_should_retry(should_retry);
        }
        failure.with_upstream(self.upstream(provider))
    }

    /// Makes the failure of an error that came in place of an answer, or inside a stream: its status is 200 and says
    /// nothing, so that the error's own words count.
    pub(crate) fn in_band(self, provider: &'static str) -> Failure {
        let status = self.own_status();
        let kind = self.judge(status);
        let failure = Failure::new(kind);
        let failure = match status {
            Some(status) if !kind_has_own_status(kind, status) => failure.with_status(status),
            _ => failure,
        };
        failure.with_upstream(self.upstream(provider))
    }

    /// Says whether a model has used up its tokens, often by reasoning, before it said anything.
    pub(crate) fn is_out_of_tokens(&self) -> bool {
        phrases::is_out_of_tokens(&self.message)
    }

    /// The status that the error would have had, if its codes say so.
    fn own_status(&self) -> Option<StatusCode> {
        let code = self.code.as_deref().and_then(|code| code.parse().ok());
        if let Some(status) = code.filter(|status| (400..=599).contains(status)) {
            return StatusCode::from_u16(status).ok();
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
        StatusCode::from_u16(status?).ok()
    }

    /// The status says it all unless it is unknown or that of a refused request: a text that mentions a limit must not
    /// turn a 500 into a 429.
    fn judge(&self, status: Option<StatusCode>) -> FailureKind {
        let by_status = status
            .and_then(FailureKind::from_status)
            .unwrap_or(FailureKind::Server);
        let codes = [&self.code, &self.kind, &self.inner_code];
        let mut codes = codes.into_iter().filter_map(Option::as_deref);
        match status.map(|status| status.as_u16()) {
            Some(429) if codes.any(|code| code == "insufficient_quota") => {
                return FailureKind::QuotaExceeded;
            }
            None | Some(400 | 413 | 422) => {}
            Some(_) => return by_status,
        }
        let refined = codes
            .find_map(by_code)
            .or_else(|| phrases::refused(&self.message));
        match refined {
            Some(kind) => kind,
            None if status.is_none() && phrases::is_rate_limit(&self.message) => {
                FailureKind::RateLimited
            }
            None => by_status,
        }
    }

    fn upstream(self, provider: &'static str) -> UpstreamError {
        let mut upstream = UpstreamError::new(provider, self.message);
        if let Some(kind) = self.kind {
            upstream = upstream.with_type(kind);
        }
        if let Some(param) = self.param {
            upstream = upstream.with_param(param);
        }
        if let Some(code) = self.code {
            upstream = upstream.with_code(code);
        }
        match self.fields {
            Some(fields) => upstream.with_fields(fields),
            None => upstream,
        }
    }
}

/// Says whether a member `error` tells that something is wrong. Some servers send an empty one beside each answer.
pub(crate) fn is_error(error: json::Value<'_>) -> bool {
    match error.as_bytes() {
        b"null" | b"false" | b"0" | b"\"\"" => false,
        [b'{', inside @ .., b'}'] | [b'[', inside @ .., b']'] => !inside.trim_ascii().is_empty(),
        _ => true,
    }
}

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
        | "content_filter_policy"
        | "ResponsibleAIPolicyViolation"
        | "ContentFiltered" => FailureKind::ContentPolicy,
        "rate_limit_exceeded" => FailureKind::RateLimited,
        "insufficient_quota" => FailureKind::QuotaExceeded,
        "invalid_api_key" => FailureKind::Authentication,
        "model_not_found" | "DeploymentNotFound" => FailureKind::NotFound,
        _ => return None,
    })
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

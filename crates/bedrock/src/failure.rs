//! What an error of Bedrock means.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, response::Parts};
use serde_json::Value;
use ziggurat_core::{Failure, FailureKind, UpstreamError};
use ziggurat_provider::{phrases, redact};

/// Most characters of an upstream's message that are kept.
const LONGEST: usize = 2_000;

/// From here on messages about signatures quote the request, tokens included.
const QUOTES_REQUEST: &str = "The Canonical String for this request";

/// How messages of Bedrock and of its models about prompts that do not fit begin, in small letters.
const CONTEXT: &[&str] = &[
    "too many tokens",
    "too many input tokens",
    "expected maxlength:",
    "input is too long",
    "input tokens exceeded",
    "prompt is too long",
    "prompt: length: 1..",
];

/// The same, about harmful prompts and answers.
const POLICY: &[&str] = &[
    "output blocked by content filtering policy",
    "input blocked by content filtering policy",
    "content blocked by content filtering policy",
    "this request has been blocked by our content filters",
    "the generated text has been blocked by our content filters",
];

/// Makes the failure of an error answer, and cuts secrets out of its body.
pub(crate) fn refused(head: &Parts, body: &mut Bytes, secrets: &[Box<str>]) -> Failure {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let exception = exception_of(&head.headers, json.as_ref());
    let text = match &json {
        Some(json) => message_of(json).unwrap_or_else(|| json.to_string()),
        None => compact(&String::from_utf8_lossy(body)),
    };
    let clean = clean(&text, secrets);
    if clean != text || redact::is_needed(secrets, body) {
        *body = serde_json::json!({ "message": clean }).to_string().into();
    }
    let message = shorten(clean);
    let kind = judge(exception.as_deref(), Some(head.status), &message);
    let mut failure = Failure::from_head(kind, head.status, &head.headers);
    if FailureKind::from_status(head.status) != Some(kind) {
        failure = failure.with_status(kind.status());
    }
    failure.with_upstream(upstream(message, exception))
}

/// Makes the failure of an exception inside a stream, or of an error in place of an answer.
pub(crate) fn in_band(exception: Option<&str>, body: &[u8], secrets: &[Box<str>]) -> Failure {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let text = match &json {
        Some(json) => message_of(json).unwrap_or_else(|| json.to_string()),
        None => compact(&String::from_utf8_lossy(body)),
    };
    let message = shorten(clean(&text, secrets));
    let native = || json.as_ref()?.pointer("/error/type")?.as_str();
    let exception = exception.or_else(native).map(name_of);
    let status = exception.as_deref().and_then(status_of);
    let kind = judge(exception.as_deref(), status, &message);
    let failure = Failure::new(kind);
    let failure = match status {
        Some(status) if FailureKind::from_status(status) == Some(kind) => {
            failure.with_status(status)
        }
        _ => failure,
    };
    failure.with_upstream(upstream(message, exception))
}

/// Whether the keys that signed are over.
pub(crate) fn says_expired(failure: &Failure) -> bool {
    let code = failure.upstream().and_then(UpstreamError::code);
    code.is_some_and(|code| code.starts_with("expiredtoken"))
}

fn upstream(message: String, exception: Option<String>) -> UpstreamError {
    let upstream = UpstreamError::new("Bedrock", message);
    match exception {
        Some(exception) => upstream.with_code(exception),
        None => upstream,
    }
}

/// The name says most. Texts are read only where a request was refused, or nothing else tells: they may quote it.
fn judge(exception: Option<&str>, status: Option<StatusCode>, message: &str) -> FailureKind {
    let by_name = exception.and_then(by_name);
    let Some(kind) = by_name.or_else(|| FailureKind::from_status(status?)) else {
        return refined(message).unwrap_or(FailureKind::Server);
    };
    match kind {
        // A model that failed is no fault of the request, though its status says so.
        FailureKind::BadRequest if status == Some(StatusCode::FAILED_DEPENDENCY) => {
            FailureKind::Server
        }
        FailureKind::BadRequest => refined(message).unwrap_or(kind),
        FailureKind::PayloadTooLarge if phrases::begins(message, CONTEXT) => {
            FailureKind::ContextWindow
        }
        FailureKind::PermissionDenied if message.to_lowercase().contains("security token") => {
            FailureKind::Authentication
        }
        kind => kind,
    }
}

fn refined(message: &str) -> Option<FailureKind> {
    if phrases::begins(message, CONTEXT) {
        return Some(FailureKind::ContextWindow);
    }
    if phrases::begins(message, POLICY) {
        return Some(FailureKind::ContentPolicy);
    }
    phrases::refused(message)
}

fn by_name(exception: &str) -> Option<FailureKind> {
    Some(match exception {
        "throttlingexception" | "toomanyrequestsexception" | "modelnotreadyexception" => {
            FailureKind::RateLimited
        }
        "servicequotaexceededexception" => FailureKind::QuotaExceeded,
        "validationexception" => FailureKind::BadRequest,
        "accessdeniedexception" => FailureKind::PermissionDenied,
        "resourcenotfoundexception" => FailureKind::NotFound,
        "conflictexception" => FailureKind::Conflict,
        "modeltimeoutexception" => FailureKind::Timeout,
        "unrecognizedclientexception"
        | "invalidsignatureexception"
        | "incompletesignature"
        | "incompletesignatureexception"
        | "invalidclienttokenid"
        | "missingauthenticationtoken"
        | "missingauthenticationtokenexception"
        | "expiredtoken"
        | "expiredtokenexception" => FailureKind::Authentication,
        "modelerrorexception"
        | "modelstreamerrorexception"
        | "internalserverexception"
        | "internalfailure"
        | "serviceunavailableexception"
        | "serviceunavailable" => FailureKind::Server,
        // Anthropic's own, which InvokeModel hands on.
        "invalid_request_error" => FailureKind::BadRequest,
        "authentication_error" => FailureKind::Authentication,
        "permission_error" => FailureKind::PermissionDenied,
        "not_found_error" => FailureKind::NotFound,
        "request_too_large" => FailureKind::PayloadTooLarge,
        "rate_limit_error" => FailureKind::RateLimited,
        "timeout_error" => FailureKind::Timeout,
        "api_error" | "overloaded_error" => FailureKind::Server,
        _ => return None,
    })
}

/// The status that an exception has outside of streams.
fn status_of(exception: &str) -> Option<StatusCode> {
    Some(match exception {
        "throttlingexception" | "toomanyrequestsexception" => StatusCode::TOO_MANY_REQUESTS,
        "validationexception" => StatusCode::BAD_REQUEST,
        "accessdeniedexception" => StatusCode::FORBIDDEN,
        "modeltimeoutexception" => StatusCode::REQUEST_TIMEOUT,
        "modelstreamerrorexception" => StatusCode::FAILED_DEPENDENCY,
        "internalserverexception" => StatusCode::INTERNAL_SERVER_ERROR,
        "serviceunavailableexception" => StatusCode::SERVICE_UNAVAILABLE,
        _ => return None,
    })
}

/// The exception's name: in a header, else in the body.
fn exception_of(headers: &HeaderMap, body: Option<&Value>) -> Option<String> {
    let header = headers
        .get("x-amzn-errortype")
        .and_then(|value| value.to_str().ok());
    let written = header.or_else(|| body?.get("__type")?.as_str());
    written.map(name_of).filter(|name| !name.is_empty())
}

/// `com.amazon#ThrottlingException:http://…` is `throttlingexception`.
fn name_of(written: &str) -> String {
    let name = written.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default();
    let name: String = name.trim().chars().take(100).collect();
    name.to_ascii_lowercase()
}

fn message_of(json: &Value) -> Option<String> {
    let names = ["message", "Message", "originalMessage", "error"];
    names.iter().find_map(|name| match json.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Object(error) => error.get("message")?.as_str().map(str::to_owned),
        _ => None,
    })
}

/// Cuts out secrets, and what quotes the request.
fn clean(text: &str, secrets: &[Box<str>]) -> String {
    let text = text.split(QUOTES_REQUEST).next().unwrap_or_default();
    redact::text(secrets, text.trim_end())
}

/// One line.
fn compact(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shorten(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

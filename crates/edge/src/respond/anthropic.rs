//! Failures as Anthropic's error JSON: <https://docs.anthropic.com/en/api/errors>.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use ziggurat_core::{Failure, FailureKind};

use super::errors::{self, ErrorTypes};

/// Anthropic's own status: it has too much to do.
const OVERLOADED: u16 = 529;

/// The types that Anthropic has for errors.
const TYPES: [&str; 10] = [
    "api_error",
    "authentication_error",
    "billing_error",
    "invalid_request_error",
    "not_found_error",
    "overloaded_error",
    "permission_error",
    "rate_limit_error",
    "request_too_large",
    "timeout_error",
];

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Error<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: String,
}

/// The status to answer with. An unknown model is 404, as there; an upstream of Anthropic's that has too much to do is
/// 529 again.
pub(super) fn status(failure: &Failure) -> StatusCode {
    match own_type(failure) {
        Some("overloaded_error") if failure.status().is_server_error() => {
            StatusCode::from_u16(OVERLOADED).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
        }
        _ => errors::status(failure, ErrorTypes::OpenAi),
    }
}

/// Writes a failure as `{"type": "error", "error": {…}}`.
pub(super) fn json(failure: &Failure, request_id: Option<&str>) -> Bytes {
    let envelope = Envelope {
        kind: "error",
        error: Error {
            kind: error_type(failure),
            message: message(failure),
        },
        request_id,
    };
    serde_json::to_vec(&envelope)
        .expect("strings serialise")
        .into()
}

/// There is no member of its own for what is at fault.
fn message(failure: &Failure) -> String {
    let message = errors::message(failure, ErrorTypes::OpenAi);
    match failure.param() {
        Some(param) if !message.contains(param) => format!("{param}: {message}"),
        _ => message,
    }
}

/// The type that Anthropic itself gave, if it fits the status: what other servers write may be anything.
fn own_type(failure: &Failure) -> Option<&'static str> {
    let given = failure.upstream()?.error_type()?;
    let known = TYPES.into_iter().find(|known| *known == given)?;
    let is_server = matches!(known, "api_error" | "overloaded_error" | "timeout_error");
    (is_server == failure.status().is_server_error()).then_some(known)
}

fn error_type(failure: &Failure) -> &'static str {
    match failure.kind() {
        FailureKind::NoCandidate | FailureKind::CoolingDown => return "rate_limit_error",
        FailureKind::Region | FailureKind::Tags => return "permission_error",
        FailureKind::PayloadTooLarge => return "request_too_large",
        // Its 503 is ours, and says nothing of how busy anyone is.
        FailureKind::Connect => return "api_error",
        _ => {}
    }
    let by_status = match status(failure).as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | OVERLOADED => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    own_type(failure).unwrap_or(by_status)
}

//! Failures as OpenAI's error JSON.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use ziggurat_core::{Failure, FailureKind};

/// How errors name themselves to callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorTypes {
    /// As the LiteLLM proxy does: `code` is the status as text, messages begin with the name of an exception class, so
    /// that checks written for it keep working.
    #[default]
    Litellm,
    /// As the OpenAI API does.
    OpenAi,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    message: String,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_specific_fields: Option<&'a RawValue>,
}

/// The status to answer with. An unknown model is 400 to clients of the LiteLLM proxy, 404 to those of OpenAI.
pub(super) fn status(failure: &Failure, types: ErrorTypes) -> StatusCode {
    match (failure.kind(), types) {
        (FailureKind::UnknownModel, ErrorTypes::OpenAi)
            if failure.status() == StatusCode::BAD_REQUEST =>
        {
            StatusCode::NOT_FOUND
        }
        _ => failure.status(),
    }
}

/// Writes a failure as `{"error": {…}}`.
pub(super) fn json(failure: &Failure, types: ErrorTypes) -> Bytes {
    let status = status(failure, types);
    let envelope = Envelope {
        error: error(failure, &status, types),
    };
    serde_json::to_vec(&envelope)
        .expect("strings and raw JSON serialise")
        .into()
}

/// Writes a failure as the error alone.
pub(super) fn error_value(failure: &Failure, types: ErrorTypes) -> serde_json::Value {
    let status = status(failure, types);
    serde_json::to_value(error(failure, &status, types)).expect("strings and raw JSON serialise")
}

/// Writes failures as a list of such errors, in ASCII, as a header needs it.
pub(super) fn json_array(failures: &[Failure], types: ErrorTypes) -> String {
    let statuses: Vec<_> = failures.iter().map(Failure::status).collect();
    let errors = failures.iter().zip(&statuses).map(|(failure, status)| {
        // Details of the provider would make the header too long.
        Error {
            provider_specific_fields: None,
            ..error(failure, status, types)
        }
    });
    let text = serde_json::to_string(&errors.collect::<Vec<_>>()).expect("strings serialise");
    let escape = |c: char, text: &mut String| {
        let mut units = [0; 2];
        c.encode_utf16(&mut units)
            .iter()
            .for_each(|unit| *text += &format!("\\u{unit:04x}"));
    };
    text.chars()
        .fold(String::with_capacity(text.len()), |mut text, c| {
            if c.is_ascii() {
                text.push(c)
            } else {
                escape(c, &mut text)
            }
            text
        })
}

fn error<'a>(failure: &'a Failure, status: &'a StatusCode, types: ErrorTypes) -> Error<'a> {
    let fields = failure.upstream().and_then(|upstream| upstream.fields());
    Error {
        message: message(failure, types),
        kind: error_type(failure, types),
        param: failure.param(),
        code: match types {
            ErrorTypes::Litellm => Some(status.as_str()),
            ErrorTypes::OpenAi => openai_code(failure),
        },
        provider_specific_fields: fields.and_then(|fields| serde_json::from_slice(fields).ok()),
    }
}

pub(super) fn message(failure: &Failure, types: ErrorTypes) -> String {
    let prefix = match types {
        ErrorTypes::Litellm => class(failure),
        ErrorTypes::OpenAi => "",
    };
    match (failure.upstream(), types) {
        (Some(upstream), ErrorTypes::Litellm) => format!(
            "{prefix}{}Exception - {}",
            upstream.provider(),
            upstream.message()
        ),
        (Some(upstream), ErrorTypes::OpenAi) => upstream.message().to_owned(),
        (None, _) => match failure.excerpt() {
            Some(excerpt) => format!("{prefix}{failure}, near `{excerpt}`"),
            None => format!("{prefix}{failure}"),
        },
    }
}

/// The exception class that LiteLLM's messages begin with.
fn class(failure: &Failure) -> &'static str {
    match failure.kind() {
        FailureKind::ContextWindow => {
            "litellm.ContextWindowExceededError: litellm.BadRequestError: "
        }
        FailureKind::ContentPolicy => {
            "litellm.BadRequestError: litellm.ContentPolicyViolationError: "
        }
        FailureKind::BadRequest | FailureKind::PayloadTooLarge => "litellm.BadRequestError: ",
        FailureKind::Authentication => "litellm.AuthenticationError: ",
        // It has no classes for these.
        FailureKind::PaymentRequired | FailureKind::Conflict => "litellm.APIError: ",
        FailureKind::PermissionDenied => "litellm.PermissionDeniedError: ",
        FailureKind::NotFound => "litellm.NotFoundError: ",
        FailureKind::Timeout => "litellm.Timeout: ",
        FailureKind::RateLimited | FailureKind::QuotaExceeded => "litellm.RateLimitError: ",
        FailureKind::Connect | FailureKind::Disconnected => "litellm.APIConnectionError: ",
        FailureKind::Overloaded => "litellm.ServiceUnavailableError: ",
        FailureKind::Server | FailureKind::InvalidResponse => match failure.status().as_u16() {
            502 => "litellm.BadGatewayError: ",
            503 => "litellm.ServiceUnavailableError: ",
            500 => "litellm.InternalServerError: ",
            _ => "litellm.APIError: ",
        },
        // Written by the proxy itself there, without a class.
        _ => "",
    }
}

fn error_type(failure: &Failure, types: ErrorTypes) -> &str {
    let status = failure.status();
    let upstream = failure
        .upstream()
        .and_then(|upstream| upstream.error_type());
    match failure.kind() {
        FailureKind::CoolingDown if types == ErrorTypes::Litellm => {
            return "all_deployments_in_cooldown";
        }
        FailureKind::NoCandidate | FailureKind::CoolingDown => return "rate_limit_error",
        FailureKind::Region | FailureKind::Tags => return "permission_error",
        // Servers name this one in many ways; clients look for one.
        FailureKind::ContextWindow => return "invalid_request_error",
        _ => {}
    }
    if matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
    ) {
        return upstream.unwrap_or("invalid_request_error");
    }
    match (types, status.as_u16()) {
        (_, 401) => "authentication_error",
        (_, 403) => "permission_error",
        (ErrorTypes::Litellm, 429) => "throttling_error",
        (ErrorTypes::Litellm, 500..) => "internal_server_error",
        (ErrorTypes::OpenAi, 429) => "rate_limit_error",
        (ErrorTypes::OpenAi, 408 | 504) => "timeout_error",
        (ErrorTypes::OpenAi, 500..) => "server_error",
        _ => "invalid_request_error",
    }
}

fn openai_code(failure: &Failure) -> Option<&str> {
    match failure.kind() {
        FailureKind::ContextWindow => Some("context_length_exceeded"),
        FailureKind::UnknownModel if failure.status() == StatusCode::BAD_REQUEST => {
            Some("model_not_found")
        }
        FailureKind::ContentPolicy => Some("content_policy_violation"),
        FailureKind::RateLimited => Some("rate_limit_exceeded"),
        FailureKind::QuotaExceeded => Some("insufficient_quota"),
        _ => failure.upstream().and_then(|upstream| upstream.code()),
    }
}

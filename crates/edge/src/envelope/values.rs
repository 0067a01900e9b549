//! Reads values of members and headers, and says what is wrong with them.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderName};
use ziggurat_core::{
    Failure, FailureKind,
    json::{Document, ParseError, Value},
};

/// Reads a flag; `null` and absence are `false`.
pub(super) fn flag(document: &Document, name: &str) -> Result<bool, Failure> {
    match document.get(name) {
        None => Ok(false),
        Some(value) if value.is_null() => Ok(false),
        Some(value) => value
            .as_bool()
            .ok_or_else(|| wrong_type(name, "a boolean", value)),
    }
}

/// Reads a number of seconds; 0, `null` and `""` mean that there is none.
pub(super) fn seconds(name: &str, value: Value<'_>) -> Result<Option<Duration>, Failure> {
    if value.is_null() {
        return Ok(None);
    }
    let number = match value.as_str() {
        Some(text) if text.trim().is_empty() => return Ok(None),
        Some(text) => text.trim().parse().ok(),
        None => value.as_f64(),
    };
    match number {
        Some(number) => to_seconds(name, Some(number)),
        None if value.as_str().is_some() => to_seconds(name, None),
        None => Err(wrong_type(name, "a number of seconds", value)),
    }
}

pub(super) fn to_seconds(name: &str, number: Option<f64>) -> Result<Option<Duration>, Failure> {
    match number {
        Some(number) if number >= 0.0 => {
            // Beyond what a duration holds it is as good as unlimited; the cap applies.
            let limit = Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX);
            Ok((!limit.is_zero()).then_some(limit))
        }
        Some(number) if number < 0.0 => Err(invalid(name, format!("`{name}` is negative"))),
        _ => Err(invalid(
            name,
            format!("`{name}` must be a number of seconds"),
        )),
    }
}

/// Reads a count; `null` means that there is none.
pub(super) fn count(name: &str, value: Value<'_>) -> Result<Option<u32>, Failure> {
    if value.is_null() {
        return Ok(None);
    }
    let count = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        // Python writes whole numbers as `2.0` now and then.
        None => value
            .as_f64()
            .filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n))
            .map(|n| n as u32),
    };
    count.map(Some).ok_or_else(|| not_a_count(name))
}

pub(super) fn not_a_count(name: &str) -> Failure {
    invalid(
        name,
        format!("`{name}` must be a whole number of 0 or more"),
    )
}

pub(super) fn text<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Failure> {
    let Some(value) = headers
        .get(name)
        .filter(|value| !value.as_bytes().trim_ascii().is_empty())
    else {
        return Ok(None);
    };
    value
        .to_str()
        .map(Some)
        .map_err(|_| invalid(name.as_str(), format!("the header `{name}` is not text")))
}

/// A member that is not let pass; `param` is the member of the body that it stands in, or it itself.
pub(super) fn refusal(param: &str, name: &str, reason: &'static str) -> Failure {
    invalid(param, format!("`{name}` is refused: {reason}"))
}

/// A request that cannot be served because of one of its members.
pub(super) fn invalid(name: &str, message: impl Into<Cow<'static, str>>) -> Failure {
    Failure::new(FailureKind::BadRequest)
        .with_param(name)
        .with_message(message.into())
}

/// The same for a member of a wrong type.
pub(super) fn wrong_type(name: &str, expected: &str, value: Value<'_>) -> Failure {
    if value.type_name() == "a string" && value.as_str().is_none() {
        return invalid(name, format!("`{name}` has half of a surrogate pair"));
    }
    let fault = match value.type_name() {
        "an array" if expected.ends_with("list of strings") => {
            ": one of its items is none".to_owned()
        }
        other => format!(", not {other}"),
    };
    invalid(name, format!("`{name}` must be {expected}{fault}"))
}

/// A body that is no JSON object.
pub(super) fn unreadable(error: ParseError) -> Failure {
    let excerpt = error.excerpt().to_owned();
    let failure = Failure::new(FailureKind::BadRequest)
        .with_param("request_body")
        .with_message(error.to_string());
    let failure = if excerpt.is_empty() {
        failure
    } else {
        failure.with_excerpt(excerpt)
    };
    failure.with_source(error)
}

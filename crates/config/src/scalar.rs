//! Readers of single values. Each returns `None` for what counts as "not set", or says what it
//! expected; never the value itself, which may be a key.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_yaml::Value;

/// 2^64: what no 64 bits hold is taken for a mistake.
const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;

pub(crate) type Read<T> = Result<Option<T>, String>;

/// Text; empty text is not set.
pub(crate) fn text(value: &Value) -> Read<String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(expected("text", other)),
    }
}

/// Text, or a whole number taken as text.
pub(crate) fn id(value: &Value) -> Read<String> {
    match value {
        Value::Number(number) if !number.is_f64() => Ok(Some(number.to_string())),
        other => text(other),
    }
}

/// A number from 0, also written as text: references to the environment always are.
pub(crate) fn number(value: &Value) -> Read<f64> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::Number(number) => number.as_f64(),
        // YAML 1.1 allows underscores between digits.
        Value::String(text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    };
    match number {
        None => Err(expected("a number", value)),
        Some(number) if !number.is_finite() => Err("expected a finite number".to_owned()),
        Some(number) if number < 0.0 => Err("must not be negative".to_owned()),
        Some(number) if number >= TOO_LARGE => Err("the number is too large".to_owned()),
        Some(number) => Ok(Some(number)),
    }
}

/// A share, from 0 to 1.
pub(crate) fn share(value: &Value) -> Read<f64> {
    match number(value)? {
        Some(share) if share > 1.0 => Err("must be between 0 and 1".to_owned()),
        share => Ok(share),
    }
}

/// A whole number from 0.
pub(crate) fn count(value: &Value) -> Read<u32> {
    let Some(number) = number(value)? else {
        return Ok(None);
    };
    if number.fract() != 0.0 || number > f64::from(u32::MAX) {
        return Err(format!("expected a whole number up to {}", u32::MAX));
    }
    Ok(Some(number as u32))
}

/// A duration in seconds in which 0 has a meaning of its own.
pub(crate) fn seconds_from_zero(value: &Value) -> Read<Duration> {
    number(value)?
        .map(|seconds| Duration::try_from_secs_f64(seconds).map_err(|_| "too long".to_owned()))
        .transpose()
}

/// A duration in seconds; 0 is not set.
pub(crate) fn seconds(value: &Value) -> Read<Duration> {
    Ok(seconds_from_zero(value)?.filter(|duration| !duration.is_zero()))
}

/// The time between two signs of life in a stream: 1 to 300 s; 0 is not set.
pub(crate) fn keepalive(value: &Value) -> Read<Duration> {
    match seconds(value)? {
        Some(every) if !(1.0..=300.0).contains(&every.as_secs_f64()) => {
            Err("must be between 1 and 300 seconds".to_owned())
        }
        every => Ok(every),
    }
}

/// True or false, also in the words of YAML 1.1.
pub(crate) fn flag(value: &Value) -> Read<bool> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => word(text)
                .map(Some)
                .ok_or_else(|| expected("true or false", value)),
        },
        other => Err(expected("true or false", other)),
    }
}

/// A boolean of YAML 1.1 that is text in YAML 1.2.
pub(crate) fn word(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A list of texts; a single text is a list of one.
pub(crate) fn texts(value: &Value) -> Read<Vec<String>> {
    let Value::Sequence(items) = value else {
        return Ok(text(value)?.map(|text| vec![text]));
    };
    let texts = items.iter().map(|item| match item {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        other => Err(expected("a list of texts", other)),
    });
    texts.collect::<Result<Vec<_>, _>>().map(Some)
}

/// Whether text is a decimal integer that 64 bits do not hold. After leading zeros, YAML 1.2 takes
/// digits for text.
pub(crate) fn is_long_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_integer = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_integer && !digits.is_empty() && text.parse::<u64>().is_err() && text.parse::<i64>().is_err()
}

/// HTTP headers, each name with its value.
pub(crate) fn headers(value: &Value) -> Read<Vec<(String, String)>> {
    let Value::Mapping(entries) = value else {
        return match value {
            Value::Null => Ok(None),
            other => Err(expected("a mapping of headers", other)),
        };
    };
    let header = |(name, value): (&Value, &Value)| {
        let name = name.as_str().unwrap_or_default();
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err("not the name of an HTTP header".to_owned());
        }
        let value = id(value)?.unwrap_or_default();
        if HeaderValue::from_str(&value).is_err() {
            return Err(format!(
                "`{name}` has a value that no HTTP header can carry"
            ));
        }
        Ok((name.to_ascii_lowercase(), value))
    };
    entries
        .iter()
        .map(header)
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

/// The address of a server.
pub(crate) fn url(value: &Value) -> Read<String> {
    let Some(text) = text(value)? else {
        return Ok(None);
    };
    let uri = text.parse::<http::Uri>().ok();
    let is_http = uri.is_some_and(|uri| {
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        known && uri.host().is_some_and(|host| !host.is_empty())
    });
    if is_http {
        Ok(Some(text))
    } else {
        Err("expected an http:// or https:// address".to_owned())
    }
}

pub(crate) fn expected(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "a tagged value",
    };
    format!("expected {what}, found {found}")
}

//! Cutting keys out of what upstreams write, for dialects that show it.

use bytes::Bytes;
use memchr::memmem;
use serde_json::Value;

/// What stands in place of a key.
const REDACTED: &str = "[redacted]";

/// Says whether a text holds a secret.
#[must_use]
pub fn is_needed(secrets: &[Box<str>], text: &[u8]) -> bool {
    known(secrets).any(|secret| memmem::find(text, secret.as_bytes()).is_some())
}

/// Cuts the secrets out of a text.
#[must_use]
pub fn text(secrets: &[Box<str>], text: &str) -> String {
    known(secrets).fold(text.to_owned(), |text, secret| {
        text.replace(secret, REDACTED)
    })
}

/// The secrets, without empty ones, which are everywhere.
fn known(secrets: &[Box<str>]) -> impl Iterator<Item = &str> {
    let secrets = secrets.iter().map(|secret| &**secret);
    secrets.filter(|secret| !secret.is_empty())
}

/// Cuts the secrets out of a body, be it JSON or not. Returns what it says without them; `None` if it is no JSON.
pub fn body(secrets: &[Box<str>], body: &mut Bytes) -> Option<Value> {
    let Ok(mut said) = serde_json::from_slice(body) else {
        if is_needed(secrets, body) {
            *body = text(secrets, &String::from_utf8_lossy(body)).into();
        }
        return None;
    };
    // Of members of one name only the last is in the value: the others stand in the text.
    if value(secrets, &mut said) | is_needed(secrets, body) {
        *body = said.to_string().into();
    }
    Some(said)
}

/// Cuts the secrets out of all texts of a value, however they were escaped. Says whether there were any.
pub fn value(secrets: &[Box<str>], value: &mut Value) -> bool {
    match value {
        Value::String(string) => {
            let found = is_needed(secrets, string.as_bytes());
            if found {
                *string = text(secrets, string);
            }
            found
        }
        Value::Array(values) => values
            .iter_mut()
            .fold(false, |found, inner| self::value(secrets, inner) | found),
        Value::Object(members) => {
            let mut found = false;
            if members.keys().any(|key| is_needed(secrets, key.as_bytes())) {
                found = true;
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(key, inner)| (text(secrets, &key), inner))
                    .collect();
            }
            members
                .values_mut()
                .fold(found, |found, inner| self::value(secrets, inner) | found)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

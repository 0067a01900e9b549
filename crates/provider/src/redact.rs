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

/// Cuts the secrets out of a text, be they written plainly or as JSON may escape them.
#[must_use]
pub fn text(secrets: &[Box<str>], text: &str) -> String {
    known(secrets).fold(text.to_owned(), |text, secret| {
        let text = text.replace(secret, REDACTED);
        match text.contains('\\') {
            true => without_escaped(&text, secret),
            false => text,
        }
    })
}

fn without_escaped(text: &str, secret: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        match escaped_prefix(rest, secret) {
            Some(bytes) => {
                kept.push_str(REDACTED);
                rest = &rest[bytes..];
            }
            None => {
                kept.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    kept
}

/// How many bytes a secret takes with which a text begins.
fn escaped_prefix(text: &str, secret: &str) -> Option<usize> {
    secret.chars().try_fold(0, |at, wanted| {
        let (char, bytes) = unescaped(&text[at..])?;
        (char == wanted).then_some(at + bytes)
    })
}

/// The first character of a text, and how many bytes it takes.
fn unescaped(text: &str) -> Option<(char, usize)> {
    let mut chars = text.chars();
    match (chars.next()?, chars.next()) {
        ('\\', Some('u')) => {
            let digits = text.get(2..6)?;
            let code = u32::from_str_radix(digits, 16).ok()?;
            Some((char::from_u32(code)?, 6))
        }
        ('\\', Some(escaped @ ('/' | '"' | '\\'))) => Some((escaped, 2)),
        (char, _) => Some((char, char.len_utf8())),
    }
}

/// The secrets, without empty ones, which are everywhere.
fn known(secrets: &[Box<str>]) -> impl Iterator<Item = &str> {
    let secrets = secrets.iter().map(|secret| &**secret);
    secrets.filter(|secret| !secret.is_empty())
}

/// Cuts the secrets out of a body, be it JSON or not. Returns what it says without them; `None` if it is no JSON.
pub fn body(secrets: &[Box<str>], body: &mut Bytes) -> Option<Value> {
    let written = String::from_utf8_lossy(body);
    let clean = text(secrets, &written);
    // Of members of one name only the last is in the value: the others stand in the text.
    let is_dirty = clean != written;
    let Ok(mut said) = serde_json::from_slice(body) else {
        if is_dirty {
            *body = clean.into();
        }
        return None;
    };
    if value(secrets, &mut said) | is_dirty {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_cut_out_however_it_is_escaped() {
        let secrets = ["KEY/1".into(), Box::default()];
        for (written, clean) in [
            ("a KEY/1 b", "a [redacted] b"),
            (r"a KEY\/1 b", "a [redacted] b"),
            (r"\u004bEY\u002F1KEY/1", "[redacted][redacted]"),
            (r"KEY\\/1 K\u004 \uzzzz \", r"KEY\\/1 K\u004 \uzzzz \"),
            ("K\u{e9}Y/1 \u{1f600}\\", "K\u{e9}Y/1 \u{1f600}\\"),
        ] {
            assert_eq!(text(&secrets, written), clean);
            // Not JSON, for what stands behind it.
            let mut broken = Bytes::from(format!("{{\"error\":\"{written}\"}}]"));
            body(&secrets, &mut broken);
            assert_eq!(broken, format!("{{\"error\":\"{clean}\"}}]"));
        }
    }

    #[test]
    fn a_secret_is_cut_out_of_a_member_that_is_said_twice() {
        let mut twice = Bytes::from(r#"{"a":"\u004bEY","a":"b"}"#);
        body(&["KEY".into()], &mut twice);
        assert_eq!(twice, r#"{"a":"b"}"#);
    }
}

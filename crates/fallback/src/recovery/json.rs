//! Reading and writing the data of events.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value};

pub(super) type Members = Map<String, Value>;

pub(super) fn object(data: &[u8]) -> Option<Members> {
    serde_json::from_slice(data).ok()
}

pub(super) fn number(members: &Members, name: &str) -> u64 {
    members.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// Returns a place in a list, which is the first if it is missing; `None` if it is no number of one.
pub(super) fn index(members: &Members, name: &str) -> Option<u64> {
    match members.get(name) {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_u64(),
    }
}

pub(super) fn string<'a>(members: &'a Members, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

pub(super) fn members<'a>(of: &'a mut Members, name: &str) -> Option<&'a mut Members> {
    of.get_mut(name).and_then(Value::as_object_mut)
}

/// Returns what an object says: nothing is left of members that are empty, or named here.
pub(super) fn core(of: Option<&Value>, without: &[&str]) -> String {
    let Some(Value::Object(members)) = of else {
        return String::from("{}");
    };
    let said =
        |(name, value): &(&String, &Value)| !is_empty(value) && !without.contains(&name.as_str());
    let said: Vec<_> = members.iter().filter(said).collect();
    let said: Members = said
        .into_iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Value::Object(said).to_string()
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

pub(super) fn write(out: &mut BytesMut, members: &Members) {
    serde_json::to_writer(out.writer(), members).expect("what was read can be written");
}

/// Writes an event that bears the name of its type, if that is one.
pub(super) fn event(kind: &str, members: &Members) -> Bytes {
    let mut out = BytesMut::new();
    // A line break in it would begin another line of the event.
    if !kind.is_empty() && !kind.contains(['\r', '\n']) {
        for part in ["event: ", kind, "\n"] {
            out.put_slice(part.as_bytes());
        }
    }
    out.put_slice(b"data: ");
    write(&mut out, members);
    out.put_slice(b"\n\n");
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_that_is_one_line() {
        let members = Members::new();
        assert_eq!(event("stop", &members), "event: stop\ndata: {}\n\n");
        for kind in ["", "a\nid: b", "a\r"] {
            assert_eq!(event(kind, &members), "data: {}\n\n");
        }
    }
}

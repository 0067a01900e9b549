//! The calls of a conversation, and the results that belong to them.

use std::{borrow::Cow, collections::HashMap};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;
use ziggurat_core::Failure;
use ziggurat_provider::params::refusal;

use super::messages::{SIGNATURE, Text};
use crate::text::JsonText;

/// A call that was made.
#[derive(Clone)]
pub(super) struct Called<'a> {
    /// The function, as Google knows it.
    pub(super) name: Cow<'a, str>,
    /// The turn that its result belongs to.
    pub(super) turn: usize,
    /// Which of all calls it is; results come in this order.
    pub(super) order: usize,
}

/// The calls of a conversation by their ids, those without by the names of their functions.
#[derive(Default)]
pub(super) struct Calls<'a> {
    by_id: HashMap<String, Vec<Called<'a>>>,
    count: usize,
}

impl<'a> Calls<'a> {
    pub(super) fn note(&mut self, id: &str, name: Cow<'a, str>, turn: usize) {
        let called = Called {
            name,
            turn,
            order: self.count,
        };
        self.count += 1;
        let same = self.by_id.entry(bare(id).to_owned()).or_default();
        // Some clients count their ids anew in each turn.
        same.retain(|earlier| earlier.turn == turn);
        same.push(called);
    }

    /// The call that a result is of: of several with one id, the first without a result.
    pub(super) fn answered(&mut self, id: &str) -> Option<Called<'a>> {
        let same = self.by_id.get_mut(bare(id))?;
        match same.len() {
            0 | 1 => same.first().cloned(),
            _ => Some(same.remove(0)),
        }
    }
}

/// The id of a call, without the signature that rides on it.
fn bare(id: &str) -> &str {
    id.split_once(SIGNATURE).map_or(id, |(id, _)| id)
}

/// The signature that rides on the id of a call.
pub(super) fn signature(id: &str) -> Option<&str> {
    id.split_once(SIGNATURE).map(|(_, signature)| signature)
}

/// What a function gave back: an object, or whatever text in one.
pub(super) enum Outcome<'a> {
    Object(Box<RawValue>),
    Text(JsonText<'a>),
    Nothing,
}

impl<'a> Outcome<'a> {
    pub(super) fn of(text: Option<JsonText<'a>>) -> Self {
        let Some(text) = text else {
            return Self::Nothing;
        };
        // Few results have to be read to know what they are.
        let may_be_object = text.inside().trim_start().starts_with(['{', '\\']);
        let read = may_be_object.then(|| text.read()).flatten();
        match read.and_then(|read| object(read.into())) {
            Some(object) => Self::Object(object),
            None => Self::Text(text),
        }
    }
}

impl Serialize for Outcome<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Object(object) = self {
            return object.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Text(text) => map.serialize_entry("content", text)?,
            _ => map.serialize_entry("content", "")?,
        }
        map.end()
    }
}

/// The arguments of a call, as an object: OpenAI's clients send them as text.
pub(super) fn arguments(raw: Option<&RawValue>, path: &str) -> Result<Box<RawValue>, Failure> {
    let invalid = || {
        let path = format!("{path}.arguments");
        let message = format!("{path} are no JSON object");
        refusal(&path, message)
    };
    let raw = raw.map_or("{}", RawValue::get);
    let text: Cow<'_, str> = match raw.starts_with('"') {
        true => {
            let text: Text<'_> = serde_json::from_str(raw).map_err(|_| invalid())?;
            text.0
        }
        false => raw.into(),
    };
    let text = match text.trim() {
        "" | "null" => "{}".into(),
        _ => text,
    };
    object(text).ok_or_else(invalid)
}

fn object(text: Cow<'_, str>) -> Option<Box<RawValue>> {
    match text.trim_start().starts_with('{') {
        true => RawValue::from_string(text.into_owned()).ok(),
        false => None,
    }
}

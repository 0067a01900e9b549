//! Edits of JSON text by position, so that what is not edited keeps its bytes.

use std::{fmt, ops::Range};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A text, and the parts of it that are to be replaced.
pub(crate) struct Edits<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            edits: Vec::new(),
        }
    }

    /// Replaces a part, which must be a slice of the text. Parts must not overlap.
    pub(crate) fn replace(&mut self, part: &str, with: impl Into<String>) {
        let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
        self.edits.push((start..start + part.len(), with.into()));
    }

    /// Returns the new text; `None` if nothing was replaced.
    pub(crate) fn finish(mut self) -> Option<Bytes> {
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut new = String::with_capacity(self.text.len());
        let mut at = 0;
        for (range, with) in &self.edits {
            new.push_str(&self.text[at..range.start]);
            new.push_str(with);
            at = range.end;
        }
        new.push_str(&self.text[at..]);
        Some(new.into())
    }
}

/// Returns the values of an array; `None` if it is none.
pub(crate) fn elements(array: &str) -> Option<Vec<&str>> {
    let values: Vec<&RawValue> = serde_json::from_str(array).ok()?;
    Some(values.into_iter().map(RawValue::get).collect())
}

/// The members of an object, in order.
pub(crate) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object; `None` if it is none.
    pub(crate) fn of(object: &'a str) -> Option<Self> {
        serde_json::from_str(object).ok()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.get())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    pub(crate) fn into_pairs(self) -> impl Iterator<Item = (String, &'a str)> {
        self.0.into_iter().map(|(name, value)| (name, value.get()))
    }

    /// Prints the object without one of its members.
    pub(crate) fn without(&self, name: &str) -> String {
        self.with(&[(name, None)])
    }

    /// Prints the object with other values for some members; `None` leaves one out, what was not there is added.
    pub(crate) fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut text = String::from("{");
        let mut put = |name: &str, value: &str| {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(name).to_string());
            text.push(':');
            text.push_str(value);
        };
        for (name, value) in &self.0 {
            match changes.iter().find(|(changed, _)| changed == name) {
                Some((_, Some(new))) => put(name, new),
                Some((_, None)) => {}
                None => put(name, value.get()),
            }
        }
        for (name, value) in changes {
            if let Some(value) = value
                && self.get(name).is_none()
            {
                put(name, value);
            }
        }
        text.push('}');
        text
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object).map(Self)
    }
}

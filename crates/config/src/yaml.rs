//! The values of a file, and what stands in the way of them. The deserializer's texts about single
//! values quote the value, which may be a key; they are never shown.

use std::fmt;

use serde::de::{
    Deserialize, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde_yaml::{
    Mapping, Value,
    value::{Tag, TaggedValue},
};

use crate::tree::Mark;

const TWICE: &str = "a key stands twice in one mapping";

/// Why a text has no values.
pub(crate) struct Unreadable {
    pub(crate) message: String,
    /// `None` for the whole file.
    pub(crate) at: Option<Mark>,
}

/// Any value. As [`Value`] would be read, but integers of more than 64 bits are the nearest float
/// at every length, and not an error at some.
struct Any(Value);

struct AnyVisitor;

/// Reads the only document of a text, with its merge keys applied.
pub(crate) fn read(text: &str) -> Result<Value, Unreadable> {
    // Without a look at the values, all texts are about the grammar.
    let _: IgnoredAny =
        serde_yaml::from_str(text).map_err(|failure| unreadable(&failure, &grammar(&failure)))?;
    let Any(mut root) =
        serde_yaml::from_str(text).map_err(|failure| unreadable(&failure, values(&failure)))?;
    root.apply_merge()
        .map_err(|failure| unreadable(&failure, &failure.to_string()))?;
    Ok(root)
}

fn unreadable(failure: &serde_yaml::Error, message: &str) -> Unreadable {
    Unreadable {
        message: format!("not readable as YAML: {message}"),
        at: failure.location().map(|place| Mark {
            line: place.line(),
            column: place.column(),
        }),
    }
}

/// The position is said once, in front.
fn grammar(failure: &serde_yaml::Error) -> String {
    let message = failure.to_string();
    let end = [" at line ", " at position "].map(|at| message.find(at).unwrap_or(message.len()));
    message[..end[0].min(end[1])].to_owned()
}

fn values(failure: &serde_yaml::Error) -> &'static str {
    let message = failure.to_string();
    if message.starts_with("recursion limit") {
        "the values nest too deeply"
    } else if message.starts_with("repetition limit") {
        "the aliases repeat too much"
    } else if message.contains(TWICE) {
        TWICE
    } else {
        "a value does not fit its tag"
    }
}

// === impl Any ===

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor).map(Self)
    }
}

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok((number as f64).into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value, E> {
        Ok((number as f64).into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Any(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Sequence(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Mapping::new();
        while let Some((Any(key), Any(value))) = entries.next_entry()? {
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Mapping(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (tag, content) = tagged.variant::<String>()?;
        let Any(value) = content.newtype_variant()?;
        let tag = Tag::new(tag);
        Ok(Value::Tagged(Box::new(TaggedValue { tag, value })))
    }
}

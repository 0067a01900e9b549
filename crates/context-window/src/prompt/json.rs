//! Arrays and objects, one element at a time: nothing is built, and reading can stop anywhere.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer as _,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Why a prompt is not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The limit is passed.
    Full,
    /// Not what a prompt looks like.
    Unreadable,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Returns a string, decoded.
pub(crate) fn string(raw: &str) -> Result<Cow<'_, str>, Stop> {
    let inside = raw.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let inside = inside.ok_or(Stop::Unreadable)?;
    if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(inside));
    }
    let text: Text<'_> = serde_json::from_str(raw).map_err(|_| Stop::Unreadable)?;
    Ok(text.0)
}

/// Hands out the elements of an array as JSON text.
pub(crate) fn elements<'a>(
    raw: &'a str,
    mut each: impl FnMut(&'a str) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if !raw.starts_with('[') {
        return Err(Stop::Unreadable);
    }
    read(raw, |_, value| each(value))
}

/// Hands out the members of an object: name, and value as JSON text.
pub(crate) fn members<'a>(
    raw: &'a str,
    mut each: impl FnMut(&str, &'a str) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if !raw.starts_with('{') {
        return Err(Stop::Unreadable);
    }
    read(raw, |name, value| each(&name, value))
}

fn read<'a>(
    raw: &'a str,
    each: impl FnMut(Cow<'a, str>, &'a str) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut stop = Stop::Unreadable;
    let visitor = Each {
        each,
        stop: &mut stop,
    };
    let read = serde_json::Deserializer::from_str(raw).deserialize_any(visitor);
    read.map_err(|_| stop)
}

struct Each<'s, F> {
    each: F,
    stop: &'s mut Stop,
}

impl<'a, F> Each<'_, F>
where
    F: FnMut(Cow<'a, str>, &'a str) -> Result<(), Stop>,
{
    fn hand<E: serde::de::Error>(&mut self, name: Cow<'a, str>, value: &'a str) -> Result<(), E> {
        (self.each)(name, value).map_err(|stop| {
            *self.stop = stop;
            E::custom("stopped")
        })
    }
}

impl<'a, F> Visitor<'a> for Each<'_, F>
where
    F: FnMut(Cow<'a, str>, &'a str) -> Result<(), Stop>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while let Some(value) = elements.next_element::<&'a RawValue>()? {
            self.hand(Cow::Borrowed(""), value.get())?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some((Text(name), value)) = members.next_entry::<Text<'a>, &'a RawValue>()? {
            self.hand(name, value.get())?;
        }
        Ok(())
    }
}

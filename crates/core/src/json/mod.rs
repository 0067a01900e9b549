//! JSON objects that stay the bytes they came as.
//!
//! [`Document`] finds the top-level members of an object in one validating pass. [`JsonBody`] prints it again with a few
//! members replaced, added or cut; every other byte is the sender's.

mod body;
mod error;
mod names;
mod nesting;
mod printed;
mod scan;

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;

pub use self::{body::JsonBody, error::ParseError, printed::Printed};
use self::{
    names::Names,
    scan::{Elements, Fields, Member, Members},
};

/// A JSON object: its text, and where its members lie. Cloning counts a reference.
#[derive(Clone)]
pub struct Document {
    inner: Arc<Inner>,
}

struct Inner {
    raw: Bytes,
    members: Members,
    /// Those of all objects in it, at any depth.
    names: Names,
}

impl Document {
    /// Reads an object. The whole text is checked; nothing is decoded.
    ///
    /// # Errors
    ///
    /// What is wrong, and where: not UTF-8, not JSON, or not an object.
    pub fn parse(raw: Bytes) -> Result<Self, ParseError> {
        match scan::members(&raw) {
            Ok((members, names)) => Ok(Self {
                inner: Arc::new(Inner {
                    raw,
                    members,
                    names,
                }),
            }),
            Err(fault) => Err(ParseError::explain(&raw, fault)),
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.inner.raw
    }

    /// Returns the value of a member. Of several with that name the first counts; see [`Self::duplicate`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.find(name)
            .map(|at| self.value(&self.inner.members.all[at]))
    }

    /// Says whether the value of a member is an array of nothing but objects, or of nothing at all.
    #[must_use]
    pub fn has_objects(&self, name: &str) -> bool {
        self.find(name)
            .is_some_and(|at| self.inner.members.all[at].objects)
    }

    /// Says whether any object in it, at any depth, may have a member of this name. `false` is certain, and costs no search.
    #[must_use]
    pub fn may_have_member(&self, name: &str) -> bool {
        self.inner.names.may_have_any(Names::of(name))
    }

    /// Returns the members in order: names and values.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
        self.inner
            .members
            .all
            .iter()
            .map(|member| (self.name(member), self.value(member)))
    }

    /// Returns the members as [`members`](Self::members) does, their names as bytes: for who looks for few of them, and need
    /// not have the others checked once more for being text.
    pub fn members_in_bytes(&self) -> impl Iterator<Item = (Cow<'_, [u8]>, Value<'_>)> {
        self.inner.members.all.iter().map(|member| {
            let name = match member.escaped {
                true => Cow::Owned(unescaped(&self.inner.raw[member.key.clone()]).into_bytes()),
                false => Cow::Borrowed(&self.inner.raw[member.key.clone()]),
            };
            (name, self.value(member))
        })
    }

    /// Returns the first name that occurs twice among those that `counts` names.
    pub fn duplicate(&self, counts: impl Fn(&str) -> bool) -> Option<Cow<'_, str>> {
        // Few texts have any: names are compared as bytes, and only those that occur twice are decoded.
        let members = match self.inner.members.may_repeat {
            true => &self.inner.members.all[..],
            false => &[],
        };
        let again = members.iter().enumerate().filter(|(at, member)| {
            let mut earlier = members[..*at].iter();
            earlier.any(|other| self.are_namesakes(other, member))
        });
        let mut names = again.map(|(_, member)| self.name(member));
        names.find(|name| counts(name))
    }

    /// The byte after the opening brace.
    fn opening(&self) -> usize {
        self.inner
            .raw
            .iter()
            .position(|&b| b == b'{')
            .map_or(0, |at| at + 1)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let members = &self.inner.members;
        let wanted = Names::of(name);
        if !members.names.may_have_any(wanted) {
            return None;
        }
        let mut all = members.all.iter();
        all.position(|member| member.name.may_have_any(wanted) && self.is_named(member, name))
    }

    /// Says whether there is certainly one member of this name, with this very value.
    fn has_just(&self, name: &str, value: &[u8]) -> bool {
        let members = &self.inner.members;
        let is_same = |at: usize| self.inner.raw[members.all[at].value.clone()] == *value;
        !members.may_repeat && self.find(name).is_some_and(is_same)
    }

    #[inline]
    fn is_named(&self, member: &Member, name: &str) -> bool {
        // Most differ in length.
        if member.key.len() != name.len() && !member.escaped {
            return false;
        }
        match member.escaped {
            false => self.inner.raw[member.key.clone()] == *name.as_bytes(),
            true => self.name(member) == name,
        }
    }

    fn are_namesakes(&self, one: &Member, other: &Member) -> bool {
        match one.escaped || other.escaped {
            false => self.inner.raw[one.key.clone()] == self.inner.raw[other.key.clone()],
            true => self.name(one) == self.name(other),
        }
    }

    fn name(&self, member: &Member) -> Cow<'_, str> {
        match member.escaped {
            true => Cow::Owned(unescaped(&self.inner.raw[member.key.clone()])),
            false => Cow::Borrowed(self.text(&member.key)),
        }
    }

    fn value(&self, member: &Member) -> Value<'_> {
        Value {
            raw: &self.inner.raw[member.value.clone()],
        }
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.inner.raw[range.clone()]).expect("checked when parsed")
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.members().map(|(name, _)| name).collect();
        f.debug_struct("Document")
            .field("bytes", &self.inner.raw.len())
            .field("members", &names)
            .finish()
    }
}

/// A value of a [`Document`]: valid JSON text.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    raw: &'a [u8],
}

impl<'a> Value<'a> {
    /// Returns the text as bytes.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.raw
    }

    /// Returns the text.
    #[must_use]
    pub fn text(self) -> &'a str {
        std::str::from_utf8(self.raw).expect("checked when parsed")
    }

    /// Says whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.raw == b"null"
    }

    /// Returns a boolean.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.raw {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// Returns a number; infinite if it is beyond the range of `f64`.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        matches!(self.raw.first(), Some(b'-' | b'0'..=b'9'))
            .then(|| self.text().parse().ok())
            .flatten()
    }

    /// Returns a string, decoded. `None` also for one that encodes a lone surrogate.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let inside = self.raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if inside.contains(&b'\\') {
            return serde_json::from_slice(self.raw).ok().map(Cow::Owned);
        }
        std::str::from_utf8(inside).ok().map(Cow::Borrowed)
    }

    /// Returns a number that is whole and not negative, written without a point or an exponent.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        self.raw.iter().try_fold(0_u64, |number, &byte| {
            let digit = Some(byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9)?;
            number.checked_mul(10)?.checked_add(u64::from(digit))
        })
    }

    /// Returns the values of an array, in order; `None` if it is none.
    #[must_use]
    pub fn elements(self) -> Option<impl Iterator<Item = Self>> {
        let elements = Elements::of(self.raw)?;
        Some(elements.map(|raw| Self { raw }))
    }

    /// Returns the value of a member, if this is an object that has it. Of several with that name the first counts.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        let mut fields = Fields::of(self.raw)?;
        fields.find_map(|(key, escaped, value)| {
            let is_named = match escaped {
                false => key == name.as_bytes(),
                true => unescaped(key) == name,
            };
            is_named.then_some(Self { raw: value })
        })
    }

    /// Returns the values of several members in one pass, each as [`get`](Self::get) does.
    #[must_use]
    pub fn get_each<const N: usize>(self, names: [&str; N]) -> [Option<Self>; N] {
        let mut found = [None; N];
        let Some(mut fields) = Fields::of(self.raw) else {
            return found;
        };
        while found.iter().any(Option::is_none)
            && let Some((key, escaped, value)) = fields.next()
        {
            let is_named = |name: &&str| match escaped {
                false => key == name.as_bytes(),
                true => unescaped(key) == **name,
            };
            if let Some(at) = names.iter().position(is_named) {
                found[at].get_or_insert(Self { raw: value });
            }
        }
        found
    }

    /// Says what type it is of, in JSON's own words.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self.raw.first() {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// Those of `serde_json`; positions count from the start of the value.
    pub fn decode<T: Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.raw)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.type_name(), self.raw.len())
    }
}

/// Decodes a key, given without its quotes.
fn unescaped(key: &[u8]) -> String {
    // A lone surrogate is valid JSON and no valid string: such a name equals none of ours.
    serde_json::from_slice(&[b"\"", key, b"\""].concat()).unwrap_or_else(|_| "\u{fffd}".to_owned())
}

/// Says whether a value, as JSON, is a text that says something. Some servers write `""` or `"null"` where others write null, for
/// the reason of a choice that goes on.
#[must_use]
pub fn is_said(value: &str) -> bool {
    value.starts_with('"') && !matches!(value, r#""""# | r#""null""#)
}

/// Writes a string as JSON.
#[must_use]
pub fn string(text: &str) -> Bytes {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quote(text, &mut quoted);
    quoted.into()
}

/// Appends a string as JSON.
fn quote(text: &str, out: &mut Vec<u8>) {
    let is_plain = |b: u8| (b >= b' ') & (b != b'"') & (b != b'\\');
    // All bytes are looked at, which takes less time than to stop at the first.
    if text.bytes().fold(true, |all, b| all & is_plain(b)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a string is always JSON");
    }
}

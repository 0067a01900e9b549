//! What chunks of one stream have in common.

use std::ops::Range;

use bytes::{BufMut, Bytes};
use memchr::memchr2;
use serde::de::IgnoredAny;

/// A chunk without its delta: as it came, and as it goes on.
pub(crate) struct Memo {
    before: Vec<u8>,
    after: Vec<u8>,
    before_out: Vec<u8>,
    after_out: Vec<u8>,
    /// Whether all that matters but the finish reason may be expected before the delta.
    loose: bool,
}

impl Memo {
    pub(crate) fn of(
        raw: &[u8],
        delta: Range<usize>,
        edits: &[(Range<usize>, Bytes)],
        loose: bool,
    ) -> Self {
        let part = |range: Range<usize>| {
            let mut out = Vec::with_capacity(range.len());
            splice(raw, range, edits, &mut out);
            out
        };
        Self {
            before: raw[..delta.start].to_vec(),
            after: raw[delta.end..].to_vec(),
            before_out: part(0..delta.start),
            after_out: part(delta.end..raw.len()),
            loose,
        }
    }

    /// Passes a chunk on that differs only in its delta, or in what follows it and does not matter. `None` if the chunk has to
    /// be read.
    pub(crate) fn pass<'a>(&self, raw: &'a [u8], out: &mut Vec<u8>) -> Option<Passed<'a>> {
        let rest = raw.strip_prefix(&self.before[..])?;
        if let Some(delta) = rest.strip_suffix(&self.after[..])
            && let Some(passed) = Passed::of(delta)
        {
            out.reserve(self.before_out.len() + delta.len() + self.after_out.len());
            for part in [&self.before_out[..], delta, &self.after_out[..]] {
                out.put_slice(part);
            }
            return Some(passed);
        }
        if !self.loose {
            return None;
        }
        let delta = Rest::of(rest)?.goes_on()?;
        out.put_slice(&self.before_out);
        out.put_slice(rest);
        Some(Passed::Delta(delta))
    }
}

/// What a chunk that was passed on brought.
pub(crate) enum Passed<'a> {
    /// A piece of text and nothing else.
    Text,
    Delta(&'a [u8]),
}

impl<'a> Passed<'a> {
    /// Looks whether what stands where a delta did is one object on one line and nothing more: no other member has slipped in
    /// behind it.
    fn of(delta: &'a [u8]) -> Option<Self> {
        if is_text(delta) {
            return Some(Self::Text);
        }
        let is_object = delta.first() == Some(&b'{')
            && memchr2(b'\n', b'\r', delta).is_none()
            && std::str::from_utf8(delta)
                .is_ok_and(|delta| serde_json::from_str::<IgnoredAny>(delta).is_ok());
        is_object.then_some(Self::Delta(delta))
    }
}

/// Whether a delta is a piece of text without escapes, as most are.
fn is_text(delta: &[u8]) -> bool {
    let text = delta.strip_prefix(br#"{"content":""#);
    text.and_then(|text| text.strip_suffix(br#""}"#))
        .is_some_and(|text| {
            let is_plain = |byte: u8| (byte >= b' ') & (byte != b'"') & (byte != b'\\');
            // All bytes are looked at, which takes less time than to stop at the first.
            let all_plain = text.iter().fold(true, |all, &byte| all & is_plain(byte));
            all_plain && (text.is_ascii() || std::str::from_utf8(text).is_ok())
        })
}

/// The rest of a chunk from its delta on, as far as it was not read yet. What was before it is known to be well-formed:
/// an object in a list in an object is open.
struct Rest<'a> {
    text: &'a str,
}

impl<'a> Rest<'a> {
    /// Takes the first line, if the event has no other.
    fn of(rest: &'a [u8]) -> Option<Self> {
        let end = memchr2(b'\n', b'\r', rest)?;
        let (line, ends) = rest.split_at(end);
        let text = std::str::from_utf8(line).ok()?;
        matches!(ends, b"\n\n" | b"\r\n\r\n" | b"\r\r").then_some(Self { text })
    }

    /// Says whether the only choice goes on, nothing is wrong, and nothing has to be changed; returns the delta.
    fn goes_on(mut self) -> Option<&'a [u8]> {
        let delta = self.value()?;
        while let Some(name) = self.member()? {
            let value = self.value()?;
            let matters = match name {
                "finish_reason" | "error" => value != "null",
                "delta" | "index" => true,
                _ => name.contains('\\'),
            };
            if matters {
                return None;
            }
        }
        self.eat(']')?;
        while let Some(name) = self.member()? {
            let value = self.value()?;
            let matters = match name {
                "id" | "model" | "choices" | "error" => true,
                "usage" => value != "null",
                "object" | "type" => value == "\"error\"",
                _ => name.contains('\\'),
            };
            if matters {
                return None;
            }
        }
        (delta.starts_with('{') && self.text.trim_ascii().is_empty()).then_some(delta.as_bytes())
    }

    /// Reads up to the next member's value and returns its name, escapes and all; `Some(None)` if the object ends.
    fn member(&mut self) -> Option<Option<&'a str>> {
        if self.eat('}').is_some() {
            return Some(None);
        }
        self.eat(',')?;
        let name = self.value()?.strip_prefix('"')?.strip_suffix('"')?;
        self.eat(':')?;
        Some(Some(name))
    }

    fn value(&mut self) -> Option<&'a str> {
        let text = self.text.trim_ascii_start();
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let (value, rest) = text.split_at(values.byte_offset());
        self.text = rest;
        Some(value)
    }

    fn eat(&mut self, token: char) -> Option<()> {
        self.text = self.text.trim_ascii_start().strip_prefix(token)?;
        Some(())
    }
}

/// Copies a range of a text, with what is to be replaced in it replaced.
pub(crate) fn splice(
    text: &[u8],
    range: Range<usize>,
    edits: &[(Range<usize>, Bytes)],
    out: &mut Vec<u8>,
) {
    let mut at = range.start;
    for (replaced, with) in edits {
        if replaced.start >= range.start && replaced.end <= range.end {
            out.put_slice(&text[at..replaced.start]);
            out.put_slice(with);
            at = replaced.end;
        }
    }
    out.put_slice(&text[at..range.end]);
}

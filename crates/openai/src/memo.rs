//! What chunks of one stream have in common.

use std::{ops::Range, sync::LazyLock};

use bytes::{BufMut, Bytes, BytesMut};
use memchr::{memchr, memmem::Finder};

/// A chunk without its delta: as it came, and as it goes on.
pub(crate) struct Memo {
    before: Vec<u8>,
    after: Vec<u8>,
    before_out: Vec<u8>,
    after_out: Vec<u8>,
    /// Whether all that matters but the finish reason lies before the delta.
    loose: bool,
}

struct Needles {
    finish_reason: Finder<'static>,
    delta: Finder<'static>,
    error: Finder<'static>,
}

static NEEDLES: LazyLock<Needles> = LazyLock::new(|| Needles {
    finish_reason: Finder::new(r#""finish_reason""#),
    delta: Finder::new(r#""delta""#),
    error: Finder::new(r#""error""#),
});

impl Memo {
    pub(crate) fn of(
        raw: &[u8],
        delta: Range<usize>,
        edits: &[(Range<usize>, Bytes)],
        loose: bool,
    ) -> Self {
        let part = |range: Range<usize>| {
            let mut out = BytesMut::with_capacity(range.len());
            splice(raw, range, edits, &mut out);
            out.to_vec()
        };
        Self {
            before: raw[..delta.start].to_vec(),
            after: raw[delta.end..].to_vec(),
            before_out: part(0..delta.start),
            after_out: part(delta.end..raw.len()),
            loose,
        }
    }

    /// Passes a chunk on that differs only in its delta, or in what follows it and does not matter; returns the delta,
    /// and perhaps what follows. `None` if the chunk has to be read.
    pub(crate) fn pass<'a>(&self, raw: &'a [u8], out: &mut BytesMut) -> Option<&'a [u8]> {
        let rest = raw.strip_prefix(&self.before[..])?;
        if let Some(delta) = rest.strip_suffix(&self.after[..])
            && is_one_object(delta)
        {
            for part in [&self.before_out[..], delta, &self.after_out[..]] {
                out.put_slice(part);
            }
            return Some(delta);
        }
        if !self.loose || !goes_on(rest) {
            return None;
        }
        out.put_slice(&self.before_out);
        out.put_slice(rest);
        Some(rest)
    }
}

/// Whether what stands where a delta did is one object and nothing more: no other member has slipped in behind it.
fn is_one_object(delta: &[u8]) -> bool {
    if let Some(text) = delta.strip_prefix(br#"{"content":""#)
        && memchr(b'"', text).is_some_and(|at| text[at..] == *b"\"}")
        && !text.contains(&b'\\')
    {
        return true;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in delta.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return delta[0] == b'{' && at + 1 == delta.len();
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether the rest of a chunk, from its delta on, shows that the only choice goes on and that nothing is wrong.
///
/// Only keys and whole strings of JSON have quotes that are not escaped, so these are not mistaken for content.
fn goes_on(rest: &[u8]) -> bool {
    let mut reasons = NEEDLES.finish_reason.find_iter(rest);
    let (Some(at), None) = (reasons.next(), reasons.next()) else {
        return false;
    };
    let value = rest[at + NEEDLES.finish_reason.needle().len()..].trim_ascii_start();
    let value = value.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
    value.is_some_and(|value| value.starts_with(b"null"))
        && NEEDLES.delta.find(rest).is_none()
        && NEEDLES.error.find(rest).is_none()
}

/// Copies a range of a text, with what is to be replaced in it replaced.
pub(crate) fn splice(
    text: &[u8],
    range: Range<usize>,
    edits: &[(Range<usize>, Bytes)],
    out: &mut BytesMut,
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

//! Server-sent events as raw bytes, for dialects that read them.
//!
//! Events keep every byte that the upstream sent, so that they can be passed on untouched.

use std::{borrow::Cow, error::Error as StdError, fmt};

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};

/// The payload that ends a stream in OpenAI's format.
pub const DONE: &[u8] = b"[DONE]";

/// The event that ends a stream in OpenAI's format.
pub const DONE_EVENT: &[u8] = b"data: [DONE]\n\n";

/// Longest event that is read, unless said otherwise: 16 MiB, room for a large image in base64.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Cuts a stream of bytes into events, wherever the frames are cut.
///
/// Lines end with LF, CRLF or CR; a byte order mark at the start is left out. Frames are not copied while events end
/// where frames end.
///
/// ```
/// use ziggurat_provider::sse::Splitter;
///
/// let mut events = Splitter::new();
/// events.push("data: one\n\ndata: t".into());
/// assert_eq!(events.next_event()?.unwrap().data().as_deref(), Some(&b"one"[..]));
/// assert!(events.next_event()?.is_none());
/// events.push("wo\r\n\r\n".into());
/// assert_eq!(events.next_event()?.unwrap().data().as_deref(), Some(&b"two"[..]));
/// # Ok::<(), ziggurat_provider::sse::TooLong>(())
/// ```
#[derive(Debug)]
pub struct Splitter {
    /// What is being cut: the last frame, or what was held back with all that came after it.
    frame: Bytes,
    held: BytesMut,
    /// Where the next event starts.
    start: usize,
    /// Where the line starts that is being looked at.
    line: usize,
    /// Up to where no line ends.
    scanned: usize,
    /// Whether the byte order mark was looked for.
    began: bool,
    max: usize,
}

/// One event: the bytes of its lines, up to and with the blank one.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    raw: &'a [u8],
}

/// An event is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    max: usize,
}

// === impl Splitter ===

impl Splitter {
    /// Creates one for events of up to [`MAX_EVENT`] bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::with_max(MAX_EVENT)
    }

    /// Creates one for events of up to `max` bytes.
    #[must_use]
    pub fn with_max(max: usize) -> Self {
        Self {
            frame: Bytes::new(),
            held: BytesMut::new(),
            start: 0,
            line: 0,
            scanned: 0,
            began: false,
            max,
        }
    }

    /// Takes the next frame. All events of the last one must have been taken.
    pub fn push(&mut self, frame: Bytes) {
        if self.held.is_empty() && self.frame.is_empty() {
            self.frame = frame;
        } else {
            self.hold();
            self.held.extend_from_slice(&frame);
        }
    }

    /// Returns the next complete event; `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// The event that has begun is longer than the limit. Nothing sensible comes after it.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, TooLong> {
        match self.find() {
            Some(end) => {
                let start = std::mem::replace(&mut self.start, end);
                (self.line, self.scanned) = (end, end);
                let raw = &self.bytes()[start..end];
                Ok(Some(Event { raw }))
            }
            None => {
                self.hold();
                if self.held.len() > self.max {
                    return Err(TooLong { max: self.max });
                }
                Ok(None)
            }
        }
    }

    /// Returns what came after the last complete event: one that lacks its blank line, or nothing.
    pub fn rest(&mut self) -> Option<Event<'_>> {
        let start = self.start;
        self.start = self.bytes().len();
        let raw = &self.bytes()[start..];
        (!raw.is_empty()).then_some(Event { raw })
    }

    fn bytes(&self) -> &[u8] {
        if self.held.is_empty() {
            &self.frame
        } else {
            &self.held
        }
    }

    /// Finds the end of the event that starts at `start`.
    fn find(&mut self) -> Option<usize> {
        let bytes = if self.held.is_empty() {
            &self.frame[..]
        } else {
            &self.held[..]
        };
        if !self.began {
            if bytes.len() < BOM.len() && BOM.starts_with(bytes) {
                return None;
            }
            if bytes.starts_with(BOM) {
                (self.start, self.line, self.scanned) = (BOM.len(), BOM.len(), BOM.len());
            }
            self.began = true;
        }
        while let Some(found) = line_end(&bytes[self.scanned..]) {
            let at = self.scanned + found;
            let blank = at == self.line;
            let end = match (bytes[at], bytes.get(at + 1)) {
                (b'\r', Some(b'\n')) => at + 2,
                // A CR at the end of a frame waits for its LF, unless it ends an event whose other lines lack theirs.
                (b'\r', None) if blank && !bytes[..self.line].ends_with(b"\r\n") => at + 1,
                (b'\r', None) => {
                    self.scanned = at;
                    return None;
                }
                _ => at + 1,
            };
            if blank {
                return Some(end);
            }
            (self.line, self.scanned) = (end, end);
        }
        self.scanned = bytes.len();
        None
    }

    /// Keeps the bytes of an event that is not complete, and lets go of the others.
    fn hold(&mut self) {
        if self.held.is_empty() {
            if self.start < self.frame.len() {
                self.held.extend_from_slice(&self.frame[self.start..]);
            }
            self.frame = Bytes::new();
        } else {
            self.held.advance(self.start);
        }
        self.line -= self.start;
        self.scanned -= self.start;
        self.start = 0;
    }
}

/// Finds the first byte that ends a line. Often the next byte does, or nothing is left: neither needs a search.
fn line_end(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'\n' | b'\r' => Some(0),
        _ => memchr2(b'\n', b'\r', bytes),
    }
}

/// Says whether a text of unknown type begins like a stream of events; `None` if that cannot be said of so little.
pub(crate) fn is_stream(text: &[u8]) -> Option<bool> {
    const BEGINNINGS: [&[u8]; 5] = [b":", b"data:", b"event:", b"id:", b"retry:"];
    if text.len() < BOM.len() && BOM.starts_with(text) {
        return None;
    }
    let text = text.strip_prefix(BOM).unwrap_or(text).trim_ascii_start();
    if BEGINNINGS
        .iter()
        .any(|beginning| text.starts_with(beginning))
    {
        return Some(true);
    }
    let undecided = BEGINNINGS
        .iter()
        .any(|beginning| beginning.starts_with(text));
    (!undecided).then_some(false)
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Event ===

impl<'a> Event<'a> {
    /// Returns the bytes as they came, blank line included.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// Says whether there is nothing but the blank line.
    pub(crate) fn is_blank(self) -> bool {
        matches!(self.raw, [b'\n' | b'\r', ..])
    }

    /// Returns the data: the text of its `data` lines, joined by LF if there are several. `None` if it has none.
    #[must_use]
    pub fn data(self) -> Option<Cow<'a, [u8]>> {
        let mut lines = self.values(b"data");
        let first = lines.next()?;
        let Some(second) = lines.next() else {
            return Some(Cow::Borrowed(first));
        };
        let mut joined = first.to_vec();
        for line in std::iter::once(second).chain(lines) {
            joined.push(b'\n');
            joined.extend_from_slice(line);
        }
        Some(Cow::Owned(joined))
    }

    /// Returns the name: the value of its last `event` line.
    #[must_use]
    pub fn name(self) -> Option<&'a [u8]> {
        self.values(b"event").last()
    }

    /// Says whether a line that should be short holds a brace: neither a field's name nor its value does, but for data. What
    /// damaged it has most likely taken the data of this event or of the next.
    #[must_use]
    pub fn is_damaged(self) -> bool {
        let mut lines = Lines { rest: self.raw };
        lines.any(|line| {
            let is_data = matches!(line.strip_prefix(b"data"), Some([] | [b':', ..]));
            !is_data && !line.starts_with(b":") && memchr(b'{', line).is_some()
        })
    }

    /// Returns its comments, colon included: lines that say nothing, and keep connections alive.
    pub fn comments(self) -> impl Iterator<Item = &'a [u8]> {
        let lines = Lines { rest: self.raw };
        lines.filter(|line| line.starts_with(b":"))
    }

    fn values(self, field: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
        let lines = Lines { rest: self.raw };
        lines.filter_map(move |line| match line.strip_prefix(field)? {
            [] => Some(&[][..]),
            [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
            _ => None,
        })
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// The lines of an event, without what ends them.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let at = memchr2(b'\n', b'\r', self.rest).unwrap_or(self.rest.len());
        let (line, end) = self.rest.split_at(at);
        self.rest = match end {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => end,
        };
        Some(line)
    }
}

// === impl TooLong ===

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event is longer than {} bytes", self.max)
    }
}

impl StdError for TooLong {}

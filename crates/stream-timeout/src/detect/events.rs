use std::{fmt, mem};

use memchr::memchr2;

use super::{Found, chunk};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads server-sent events, split anywhere, until one has content.
#[derive(Default)]
pub(super) struct Events {
    began: bool,
    /// Whether the last line ended with a CR, so that an LF that follows belongs to it.
    after_cr: bool,
    /// A line that has not ended.
    line: Vec<u8>,
    /// The event that has not ended.
    name: Vec<u8>,
    data: Option<Vec<u8>>,
}

impl Events {
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Found {
        while let Some(at) = memchr2(b'\n', b'\r', bytes) {
            let (part, end) = (&bytes[..at], bytes[at]);
            bytes = &bytes[at + 1..];
            if mem::replace(&mut self.after_cr, end == b'\r') && part.is_empty() && end == b'\n' {
                continue;
            }
            let found = if self.line.is_empty() {
                self.line(part)
            } else {
                let mut line = mem::take(&mut self.line);
                line.extend_from_slice(part);
                self.line(&line)
            };
            if found != Found::Nothing {
                return found;
            }
        }
        if !bytes.is_empty() {
            self.after_cr = false;
            self.line.extend_from_slice(bytes);
        }
        Found::Nothing
    }

    fn line(&mut self, mut line: &[u8]) -> Found {
        if !mem::replace(&mut self.began, true) {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        if line.is_empty() {
            let name = mem::take(&mut self.name);
            let data = self.data.take();
            return data.map_or(Found::Nothing, |data| chunk::judge(&name, &data));
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match (field, &mut self.data) {
            (b"event", _) => self.name = value.to_vec(),
            (b"data", Some(data)) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            (b"data", data) => *data = Some(value.to_vec()),
            _ => {}
        }
        Found::Nothing
    }
}

/// What was read may not be shown.
impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// Cuts a stream of bytes into whole events, wherever the frames are cut. What is left of an event is held back.
#[derive(Default)]
pub(super) struct Cutter {
    held: BytesMut,
    frame: Bytes,
    /// Where a line begins, up to which no event ends.
    scanned: usize,
}

// === impl Cutter ===

impl Cutter {
    /// Takes the next frame. All events of the last one must have been taken.
    pub(super) fn push(&mut self, frame: Bytes) {
        if self.held.is_empty() {
            self.frame = frame;
        } else {
            self.held.extend_from_slice(&frame);
            self.frame = self.held.split().freeze();
        }
    }

    /// Returns the next event with its blank line.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        if let Some(end) = self.find() {
            self.scanned = 0;
            return Some(self.frame.split_to(end));
        }
        self.held
            .extend_from_slice(&std::mem::take(&mut self.frame));
        None
    }

    /// Returns what was held back.
    pub(super) fn rest(&mut self) -> Bytes {
        self.scanned = 0;
        self.held.split().freeze()
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Finds the end of the first event. A CR at the end of what is there ends its line, and the LF that may follow is
    /// taken for an empty event.
    fn find(&mut self) -> Option<usize> {
        let bytes = &self.frame[..];
        let mut line = self.scanned;
        while let Some(at) = memchr2(b'\n', b'\r', &bytes[line..]) {
            let at = line + at;
            let end = match &bytes[at..] {
                [b'\r', b'\n', ..] => at + 2,
                [b'\r'] if at > line => break, // The line may go on to its LF.
                _ => at + 1,
            };
            if at == line {
                return Some(end);
            }
            line = end;
        }
        self.scanned = line;
        None
    }
}

/// Returns the data of an event, its lines joined by line breaks; `None` if it has none.
pub(super) fn data(event: &[u8]) -> Option<Vec<u8>> {
    let lines = event.split(|&byte| byte == b'\n' || byte == b'\r');
    let data = lines.filter_map(|line| {
        let value = line.strip_prefix(b"data:")?;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    });
    data.fold(None, |joined: Option<Vec<u8>>, line| {
        Some(match joined {
            None => line.to_vec(),
            Some(mut joined) => {
                joined.push(b'\n');
                joined.extend_from_slice(line);
                joined
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(stream: &[u8], size: usize) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::default();
        let mut events = Vec::new();
        for frame in stream.chunks(size) {
            cutter.push(Bytes::copy_from_slice(frame));
            while let Some(event) = cutter.next() {
                events.push(event.to_vec());
            }
        }
        events.push(cutter.rest().to_vec());
        events
    }

    #[test]
    fn events_end_with_a_blank_line_wherever_frames_end() {
        for end in ["\n", "\r\n"] {
            let stream = format!("data: a{end}data: b{end}{end}: c{end}{end}data: d");
            let stream = stream.as_bytes();
            let whole = cut(stream, stream.len());
            assert_eq!(whole.len(), 3, "{end:?}");
            assert_eq!(data(&whole[0]).unwrap(), b"a\nb");
            assert_eq!(data(&whole[1]), None);
            assert_eq!(whole[2], b"data: d");
            for size in 1..stream.len() {
                let events = cut(stream, size);
                assert_eq!(events.concat(), stream);
                let said: Vec<_> = events.iter().filter_map(|it| data(it)).collect();
                assert_eq!(said, [b"a\nb".to_vec(), b"d".to_vec()], "{end:?} {size}");
            }
        }
    }

    #[test]
    fn lines_may_end_with_cr_alone() {
        let events = cut(b"data: a\r\rdata: b\r\rdata: c", 100);
        assert_eq!(events, [&b"data: a\r\r"[..], b"data: b\r\r", b"data: c"]);
    }
}

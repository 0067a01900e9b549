use memchr::memchr2;

use crate::peek::Pieces;

/// Tells frames of an event stream that say nothing: comments and pings, which only keep the connection alive.
///
/// Its memory between frames is where in a line the last one ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Silence {
    #[default]
    LineStart,
    InComment,
    InField,
}

impl Silence {
    /// Says whether a frame is nothing but comments and pings. A ping in pieces counts as more.
    pub(crate) fn is(&mut self, pieces: &Pieces<'_>) -> bool {
        let mut silent = true;
        for piece in pieces.iter() {
            silent &= self.piece(piece, silent);
        }
        if !pieces.whole {
            *self = Self::InField;
        }
        silent && pieces.whole
    }

    fn piece(&mut self, mut bytes: &[u8], look: bool) -> bool {
        let mut silent = look;
        while silent {
            let Some(at) = memchr2(b'\n', b'\r', bytes) else {
                break;
            };
            silent = match self {
                Self::LineStart => says_nothing(&bytes[..at]),
                Self::InComment => true,
                Self::InField => false,
            };
            *self = Self::LineStart;
            bytes = &bytes[at + 1..];
        }
        if let Some(at) = memchr::memrchr2(b'\n', b'\r', bytes) {
            *self = Self::LineStart;
            bytes = &bytes[at + 1..];
        }
        if let (Self::LineStart, [first, ..]) = (*self, bytes) {
            *self = match first {
                b':' => Self::InComment,
                _ => Self::InField,
            };
        }
        silent && (bytes.is_empty() || *self == Self::InComment)
    }
}

/// Judges a line: blank ones, comments, and those of a ping as Anthropic sends it.
fn says_nothing(line: &[u8]) -> bool {
    let value = |field: &[u8]| line.strip_prefix(field).map(<[u8]>::trim_ascii);
    if let [] | [b':', ..] = line {
        return true;
    }
    match (value(b"data:"), value(b"event:")) {
        (Some(data), _) => matches!(data, br#"{"type":"ping"}"# | br#"{"type": "ping"}"#),
        (_, Some(name)) => name == b"ping",
        _ => false,
    }
}

/// Says whether a frame is what most frames are: one event with nothing but JSON, on one line, and more of it than a ping
/// has. It is no comment, and ends no stream.
pub(crate) fn is_plain_event(frame: &[u8]) -> bool {
    const PING: usize = br#""type": "ping""#.len();
    let json = frame.strip_prefix(b"data: {");
    let json = json.and_then(|json| json.strip_suffix(b"}\n\n"));
    json.is_some_and(|json| json.len() > PING && memchr2(b'\n', b'\r', json).is_none())
}

/// The names of events that end a stream: of Anthropic's Messages, and of OpenAI's Responses.
const ENDS: [&[u8]; 4] = [
    b"message_stop",
    b"response.completed",
    b"response.failed",
    b"response.incomplete",
];

/// Says whether a frame ends with the event that ends a stream.
pub(crate) fn ends_stream(pieces: &Pieces<'_>) -> bool {
    let Some(last) = pieces.iter().last() else {
        return false;
    };
    pieces.whole && (is_done(last) || is_named_end(last))
}

/// In the formats of which each event has a name.
fn is_named_end(frame: &[u8]) -> bool {
    let event = frame.trim_ascii_end();
    // The blank line has come.
    let is_over = frame.ends_with(b"\n\n") || frame.ends_with(b"\r\n\r\n");
    // The name is the last line but one; the data of the event is on one line, for JSON has no line breaks in texts.
    let Some(data) = memchr::memrchr(b'\n', event).filter(|_| is_over) else {
        return false;
    };
    let before = event[..data].trim_ascii_end();
    let name = memchr::memrchr(b'\n', before).map_or(before, |at| &before[at + 1..]);
    let name = name.strip_prefix(b"event:").map(<[u8]>::trim_ascii);
    event[data + 1..].starts_with(b"data:") && name.is_some_and(|name| ENDS.contains(&name))
}

/// In OpenAI's format.
fn is_done(last: &[u8]) -> bool {
    let event = last.trim_ascii_end();
    let before = [&b"data: [DONE]"[..], b"data:[DONE]"]
        .into_iter()
        .find_map(|done| event.strip_suffix(done));
    // A whole line: in the JSON of an answer there is no line break.
    let whole = before.is_some_and(|before| matches!(before, [] | [.., b'\n' | b'\r']));
    whole && event.len() < last.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_events_are_told_from_pings_and_from_frames_of_several_lines() {
        let plain = [
            &b"data: {\"choices\":[{\"delta\":{}}]}\n\n"[..],
            b"data: {\"type\":\"ping\",\"a\":1}\n\n",
        ];
        for frame in plain {
            assert!(is_plain_event(frame));
            assert!(!Silence::LineStart.is(&Pieces::of(&frame)));
            assert!(!ends_stream(&Pieces::of(&frame)));
        }
        let others = [
            &b"data: {\"type\": \"ping\"}\n\n"[..],
            b"data: {\"type\":\"ping\"}\n\n",
            b"data: [DONE]\n\n",
            b"data: {\"choices\":[{\"delta\":{}}]}\n",
            b"data: {\"choices\":[{\"delta\":{}}]}\n\ndata: {\"choices\":[]}\n\n",
            b"data: {\"choices\":\rdata: [{\"delta\":{}}]}\n\n",
            b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ];
        for frame in others {
            assert!(!is_plain_event(frame));
        }
    }
}

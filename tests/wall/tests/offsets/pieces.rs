//! The events of a recording, or its frames.

use serde_json::Value;

/// The content type of AWS's frames.
pub(crate) const FRAMES: &str = "application/vnd.amazon.eventstream";

/// An event, or a frame.
struct Piece<'a> {
    bytes: &'a [u8],
    /// Where its JSON is.
    json: std::ops::Range<usize>,
    /// What it says of the message.
    text: Option<String>,
}

/// Returns a recording without all that is said after the second piece of text.
pub(crate) fn shortened(bytes: &[u8], content_type: &str) -> Vec<u8> {
    let mut texts = 0;
    let kept = pieces(bytes, content_type).into_iter().filter(|piece| {
        texts += usize::from(piece.text.is_some());
        piece.text.is_none() || texts <= 2
    });
    let kept: Vec<_> = kept.map(|piece| piece.bytes).collect();
    kept.concat()
}

/// Returns a recording that says this instead, in one piece.
pub(crate) fn saying(bytes: &[u8], content_type: &str, text: &str) -> Vec<u8> {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut is_said = false;
    let mut all = Vec::new();
    for piece in pieces(bytes, content_type) {
        let Some(said) = &piece.text else {
            all.extend_from_slice(piece.bytes);
            continue;
        };
        if is_said {
            continue;
        }
        is_said = true;
        let json = std::str::from_utf8(&piece.bytes[piece.json.clone()]).unwrap();
        let json = json.replace(&quoted(said), &quoted(text));
        let before = &piece.bytes[..piece.json.start];
        match content_type {
            FRAMES => all.extend(frame(&before[12..], json.as_bytes())),
            _ => all.extend([before, json.as_bytes(), b"\n\n"].concat()),
        }
    }
    all
}

/// Returns what a recording says.
pub(crate) fn said(bytes: &[u8], content_type: &str) -> String {
    let pieces = pieces(bytes, content_type).into_iter();
    pieces.filter_map(|piece| piece.text).collect()
}

fn pieces<'a>(mut bytes: &'a [u8], content_type: &str) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (length, json) = match content_type {
            FRAMES => {
                let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
                let (length, headers) = (number(0) as usize, number(4) as usize);
                (length, 12 + headers..length - 4)
            }
            _ => {
                let mut pairs = bytes.windows(2);
                let end = pairs.position(|two| two == b"\n\n").unwrap();
                let start = bytes.iter().position(|byte| *byte == b'{').unwrap_or(end);
                (end + 2, start.min(end)..end)
            }
        };
        let (piece, rest) = bytes.split_at(length);
        let text = text(&piece[json.clone()]);
        pieces.push(Piece {
            bytes: piece,
            json,
            text,
        });
        bytes = rest;
    }
    pieces
}

fn text(json: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(json).ok()?;
    let texts = [
        &event["delta"]["text"],
        &event["choices"][0]["delta"]["content"],
    ];
    let text = texts.into_iter().find_map(Value::as_str)?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = 16 + headers.len() + payload.len();
    let mut frame = (length as u32).to_be_bytes().to_vec();
    frame.extend((headers.len() as u32).to_be_bytes());
    frame.extend(checksum(&frame).to_be_bytes());
    frame.extend([headers, payload].concat());
    frame.extend(checksum(&frame).to_be_bytes());
    frame
}

/// The CRC-32 of IEEE 802.3.
fn checksum(bytes: &[u8]) -> u32 {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        let step = |sum: u32, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        (0..8).fold(sum ^ u32::from(*byte), step)
    });
    !sum
}

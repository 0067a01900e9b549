//! AWS's binary event stream, written: a fuzzer does not guess checksums.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Frames each line, with good checksums: a word is the type of an event, with `!` in front that of an exception, and what
/// follows it is the payload. Bytes that the line's format has no place for are the payload of a nameless event.
pub(crate) fn converse(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines.split(|&byte| byte == b'\n') {
        let end = line.iter().position(|&byte| byte == b' ');
        let (name, payload) = line.split_at(end.unwrap_or(line.len()));
        match name.strip_prefix(b"!") {
            Some(name) => frame(&mut out, "exception", name, payload.trim_ascii_start()),
            None => frame(&mut out, "event", name, payload.trim_ascii_start()),
        }
    }
    out
}

/// Frames each line as the payload of a chunk, in the format of models that are invoked.
pub(crate) fn invoke(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines.split(|&byte| byte == b'\n') {
        let payload = format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(line));
        frame(&mut out, "event", b"chunk", payload.as_bytes());
    }
    out
}

/// Lengths, their checksum, headers, payload, the checksum of all.
fn frame(out: &mut Vec<u8>, kind: &str, name: &[u8], payload: &[u8]) {
    let mut headers = Vec::new();
    header(&mut headers, ":message-type", kind.as_bytes());
    header(
        &mut headers,
        &format!(":{kind}-type"),
        &name[..name.len().min(64)],
    );
    let start = out.len();
    out.extend(length(16 + headers.len() + payload.len()));
    out.extend(length(headers.len()));
    out.extend(crc32fast::hash(&out[start..]).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(crc32fast::hash(&out[start..]).to_be_bytes());
}

fn header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    const TEXT: u8 = 7;
    out.push(u8::try_from(name.len()).expect("a short name"));
    out.extend(name.bytes());
    out.push(TEXT);
    out.extend(
        u16::try_from(value.len())
            .expect("a short value")
            .to_be_bytes(),
    );
    out.extend(value);
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes)
        .expect("inputs are short")
        .to_be_bytes()
}

//! Bytes that nobody would send: nothing panics, and what is held stays small. The corpus grows with each finding.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{fs, path::Path};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;
use support::{exchange, hello, refused};

fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(kind);
    let files = fs::read_dir(root).unwrap();
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect()
}

/// Reads bytes as a stream, in pieces; returns how many came out.
fn stream(bytes: &[u8], piece: usize) -> usize {
    let mut asked = hello();
    asked["stream"] = json!(true);
    asked["response_format"] = json!({"type": "json_schema", "json_schema": {"schema": {}}});
    let (mut exchange, _) = exchange(&asked);
    let mut out = 0;
    for piece in bytes.chunks(piece.max(1)) {
        let streamed = exchange.chunk(Bytes::copy_from_slice(piece));
        out += streamed.data.len();
        assert!(std::str::from_utf8(&streamed.data).is_ok());
        if streamed.end.is_some() {
            return out;
        }
    }
    let streamed = exchange.end(None);
    assert!(streamed.end.is_some());
    out + streamed.data.len()
}

fn all(bytes: &[u8]) {
    for piece in [1, 7, usize::MAX] {
        // A chunk is longer than its event by its frame only.
        assert!(stream(bytes, piece) <= 600 + bytes.len() * 100);
    }
    let text = String::from_utf8_lossy(bytes);
    for status in [400, 429, 529] {
        let (failure, _) = refused(status, &text);
        assert!(failure.upstream().unwrap().message().chars().count() <= 2_001);
    }
    let (mut exchange, _) = exchange(&hello());
    let _ = exchange.plain(Bytes::copy_from_slice(bytes));
}

#[test]
fn the_corpus_is_read() {
    let inputs = [corpus("stream"), corpus("error")].concat();
    assert!(inputs.len() >= 10);
    inputs.iter().for_each(|bytes| all(bytes));
}

#[test]
fn blocks_that_never_end_are_not_collected() {
    let event = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\"}}\n\n";
    let (mut exchange, _) = exchange(&hello());
    let ended = (0..1_000).any(|_| exchange.chunk(event.into()).end.is_some());
    assert!(ended);
}

/// Events of known kinds with members of any kind.
fn event() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
        "x",
    ]);
    let members = prop::sample::select(vec![
        r#""index":0"#,
        r#""index":-1"#,
        r#""index":18446744073709551615"#,
        r#""message":{"usage":{"input_tokens":1e3}}"#,
        r#""message":7"#,
        r#""content_block":{"type":"tool_use","input":[]}"#,
        r#""content_block":{"type":"text","text":null}"#,
        r#""content_block":{"type":"tool_use","name":"json_tool_call"}"#,
        r#""delta":{"type":"input_json_delta","partial_json":"{"}"#,
        r#""delta":{"type":"text_delta","text":"\ud83d"}"#,
        r#""delta":{"type":"thinking_delta","thinking":{}}"#,
        r#""delta":{"stop_reason":"tool_use"}"#,
        r#""usage":null"#,
        r#""usage":{"output_tokens":18446744073709551615,"input_tokens":18446744073709551615,"cache_read_input_tokens":9}"#,
        r#""error":null"#,
        r#""error":"x""#,
    ]);
    (kinds, prop::collection::vec(members, 0..4)).prop_map(|(kind, members)| {
        let members: String = members.iter().map(|member| format!(",{member}")).collect();
        format!("data: {{\"type\":\"{kind}\"{members}}}\n\n").into_bytes()
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        all(&bytes);
    }

    #[test]
    fn any_events_are_read(events in prop::collection::vec(event(), 0..20)) {
        all(&events.concat());
    }
}

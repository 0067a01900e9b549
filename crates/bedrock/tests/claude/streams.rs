//! Streams: frames on one side, Anthropic's events on the other.

use aws_smithy_types::base64;
use proptest::prelude::*;
use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind};

use crate::{
    KEY, exchange,
    frames::{event, exception},
};

fn chunk(event_: &str) -> Vec<u8> {
    event(
        "chunk",
        &json!({"bytes": base64::encode(event_), "p": "abc"}),
    )
}

fn start() -> Value {
    json!({"type": "message_start", "message": {
        "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }})
}

fn delta(text: &str) -> Value {
    json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
}

fn events() -> Vec<Value> {
    let stop = json!({"stop_reason": "end_turn", "stop_sequence": null});
    vec![
        start(),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
        delta("Grüße — "),
        delta("東京 🌸\n\n\"quoted\""),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}}),
    ]
}

fn frames(events: &[Value]) -> Vec<u8> {
    let frames = events.iter().map(|event| chunk(&event.to_string()));
    frames.collect::<Vec<_>>().concat()
}

/// What comes of the pieces of a stream: the text, and its end.
fn read(pieces: &[&[u8]]) -> (String, Result<(), Failure>) {
    let (mut exchange, _) = exchange(true);
    let mut text = Vec::new();
    for piece in pieces {
        let streamed = exchange.chunk(piece.to_vec().into());
        text.extend_from_slice(&streamed.data);
        if let Some(end) = streamed.end {
            return (String::from_utf8(text).unwrap(), end);
        }
    }
    let streamed = exchange.end(None);
    text.extend_from_slice(&streamed.data);
    (String::from_utf8(text).unwrap(), streamed.end.unwrap())
}

#[test]
fn events_come_out_as_anthropic_sends_them() {
    let (text, end) = read(&[&frames(&events())]);
    end.unwrap();
    let mut expected = events();
    expected[0]["message"]["model"] = json!("group");
    let mut lines = text.split("\n\n").filter(|event| !event.is_empty());
    for event in expected {
        let (name, data) = lines.next().unwrap().split_once('\n').unwrap();
        assert_eq!(name, format!("event: {}", event["type"].as_str().unwrap()));
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data, event);
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn tokens_are_metered() {
    let (mut exchange, meter) = exchange(true);
    exchange.chunk(frames(&events()).into());
    assert_eq!((meter.input(), meter.output()), (Some(3), Some(5)));
}

#[test]
fn an_event_in_several_lines_is_written_in_one() {
    let spread = serde_json::to_string_pretty(&delta("a")).unwrap();
    let stream = [
        frames(&[start()]),
        chunk(&spread),
        chunk(&spread.replace('\n', "\r")),
        frames(&[json!({"type": "message_stop"})]),
    ];
    let (text, end) = read(&[&stream.concat()]);
    end.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let data: Vec<Value> = data
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(data[1..3], [delta("a"), delta("a")]);
}

#[test]
fn what_breaks_a_stream_comes_after_what_was_said() {
    let error = json!({"type": "error", "error": {"type": "rate_limit_error", "message": format!("no {KEY}")}});
    let name = json!({"type": "a\nb"});
    let cases = [
        (
            exception("throttlingException", KEY),
            FailureKind::RateLimited,
        ),
        (frames(&[error]), FailureKind::RateLimited),
        (frames(&[name]), FailureKind::InvalidResponse),
        (chunk("{"), FailureKind::InvalidResponse),
        (
            event("chunk", &json!({"bytes": "?"})),
            FailureKind::InvalidResponse,
        ),
        (event("chunk", &json!({})), FailureKind::InvalidResponse),
        (vec![1; 40], FailureKind::InvalidResponse),
        (frames(&events())[..9].to_vec(), FailureKind::Disconnected),
        (Vec::new(), FailureKind::Disconnected),
    ];
    for (broken, kind) in cases {
        let stream = [frames(&[start(), delta("said")]), broken];
        let (text, end) = read(&[&stream.concat()]);
        let failure = end.unwrap_err();
        assert_eq!(failure.kind(), kind, "{failure}");
        assert!(text.contains("said"), "{text}");
        let shown = format!("{text} {failure:?}");
        assert!(!shown.contains(KEY), "{shown}");
    }
}

#[test]
fn events_of_other_types_are_passed_over_and_the_end_is_the_end() {
    let late = exception("throttlingException", "no");
    let stream = [event("metrics", &json!({})), frames(&events()), late];
    read(&[&stream.concat()]).1.unwrap();
    let (mut exchange, _) = exchange(true);
    let failure = Failure::new(FailureKind::Timeout);
    let end = exchange.end(Some(failure)).end.unwrap().unwrap_err();
    assert_eq!(end.kind(), FailureKind::Timeout);
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(0..3000_usize, 0..20)) {
        let whole = frames(&events());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % whole.len()).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
        let (one, many) = (read(&[&whole]), read(&pieces));
        prop_assert!(many.1.is_ok());
        prop_assert_eq!(one.0, many.0);
    }
}

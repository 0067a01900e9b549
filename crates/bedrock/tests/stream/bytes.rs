//! Bytes that are cut, changed, or no frames at all.

use proptest::prelude::*;
use serde_json::json;
use ziggurat_core::FailureKind;

use crate::{event, exchange, message, read, read_whole, start, stop, text, used};

const MODEL: &str = "anthropic.claude-3-5-sonnet-20241022-v2:0";

fn sample() -> Vec<u8> {
    let tool =
        json!({"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "n"}}});
    [
        start(),
        text("Grüße — 東京 🌸"),
        text("\n\n\"quoted\""),
        event("contentBlockStart", &tool),
        event("contentBlockStop", &json!({"contentBlockIndex": 1})),
        stop("tool_use"),
        used(),
    ]
    .concat()
}

/// Without ids and times, which are made anew for each stream.
fn masked(text: &str) -> Vec<serde_json::Value> {
    let events = crate::Read {
        text: text.to_owned(),
        end: None,
    }
    .events();
    let mask = |mut event: serde_json::Value| {
        if let Some(event) = event.as_object_mut() {
            event.remove("id");
            event.remove("created");
        }
        event
    };
    events.into_iter().map(mask).collect()
}

#[test]
fn a_cut_stream_is_a_broken_one() {
    let whole = sample();
    let stopped = whole.len() - used().len();
    for end in 0..stopped {
        let read = read_whole(&json!({}), &whole[..end]);
        assert_eq!(
            read.failure().kind(),
            FailureKind::Disconnected,
            "cut at {end}"
        );
        assert!(!read.text.contains("[DONE]"));
    }
    for end in stopped..=whole.len() {
        let read = read_whole(&json!({}), &whole[..end]);
        assert!(read.end.unwrap().is_ok(), "cut at {end}, after the stop");
    }
}

#[test]
fn frames_of_absurd_lengths_are_not_waited_for() {
    let prelude = |total: u32| {
        let mut prelude = total.to_be_bytes().to_vec();
        prelude.extend(0_u32.to_be_bytes());
        prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
        prelude
    };
    for total in [0, 15, u32::MAX, 18 * 1024 * 1024] {
        let read = read_whole(&json!({}), &prelude(total));
        assert_eq!(
            read.failure().kind(),
            FailureKind::InvalidResponse,
            "{total}"
        );
        assert_eq!(read.failure().status(), 500);
    }
    // A wrong prelude is known before the rest of its frame has come.
    let mut wrong = text("a");
    wrong[2] ^= 1;
    let read = read_whole(&json!({}), &wrong[..12]);
    assert_eq!(read.failure().kind(), FailureKind::InvalidResponse);
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in proptest::collection::vec(0..2000_usize, 0..20)) {
        let whole = sample();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % whole.len()).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
        let (one, many) = (read_whole(&json!({}), &whole), read(exchange(MODEL, &json!({}), None), &pieces));
        prop_assert!(many.end.unwrap().is_ok());
        prop_assert_eq!(masked(&one.text), masked(&many.text));
    }

    #[test]
    fn a_changed_bit_is_noticed(at in 0..2000_usize, bit in 0..8_u32) {
        let whole = sample();
        let stopped = whole.len() - used().len();
        let mut changed = whole.clone();
        let at = at % stopped;
        changed[at] ^= 1_u8 << bit;
        let read = read_whole(&json!({}), &changed);
        prop_assert_eq!(read.failure().kind(), FailureKind::InvalidResponse);
        prop_assert!(!read.text.contains("[DONE]"));
    }

    #[test]
    fn any_bytes_end_in_a_failure(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let read = read_whole(&json!({}), &bytes);
        prop_assert!(read.end.unwrap().is_err());
    }

    /// Checksums are right, so that headers are read.
    #[test]
    fn any_headers_end_in_a_failure(
        headers in proptest::collection::vec(any::<u8>(), 0..80),
        payload in proptest::collection::vec(any::<u8>(), 0..80),
        declared in 0..100_u32,
    ) {
        let total = 16 + headers.len() + payload.len();
        let mut frame = (total as u32).to_be_bytes().to_vec();
        frame.extend(declared.to_be_bytes());
        frame.extend(crc32fast::hash(&frame).to_be_bytes());
        frame.extend(headers);
        frame.extend(payload);
        frame.extend(crc32fast::hash(&frame).to_be_bytes());
        let read = read_whole(&json!({}), &frame);
        prop_assert!(read.end.unwrap().is_err());
    }

    #[test]
    fn any_payload_is_no_panic(
        payload in "\\PC{0,200}",
        name in prop::sample::select(vec![
            "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "chunk",
        ]),
    ) {
        read_whole(&json!({}), &message(("event", ":event-type"), name, &payload));
        let read = read_whole(&json!({}), &message(("exception", ":exception-type"), name, &payload));
        prop_assert!(read.end.unwrap().is_err());
    }
}

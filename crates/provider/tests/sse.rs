//! Cutting byte streams into events.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use proptest::prelude::*;
use ziggurat_provider::sse::{Splitter, TooLong};

/// What a client makes of an event.
type Read = (Option<Vec<u8>>, Option<Vec<u8>>);

fn read_all(frames: &[&[u8]]) -> Vec<Read> {
    let mut splitter = Splitter::new();
    let mut events = Vec::new();
    for frame in frames {
        splitter.push(frame.to_vec().into());
        while let Some(event) = splitter.next_event().unwrap() {
            events.push((
                event.name().map(<[u8]>::to_vec),
                event.data().map(|data| data.to_vec()),
            ));
        }
    }
    if let Some(event) = splitter.rest() {
        events.push((
            event.name().map(<[u8]>::to_vec),
            event.data().map(|data| data.to_vec()),
        ));
    }
    events.retain(|event| *event != (None, None));
    events
}

fn data(text: &str) -> Read {
    (None, Some(text.as_bytes().to_vec()))
}

#[test]
fn lines_end_with_lf_crlf_or_cr() {
    for newline in ["\n", "\r\n", "\r"] {
        let stream = "data: one\n\ndata: two\n\n".replace('\n', newline);
        assert_eq!(
            read_all(&[stream.as_bytes()]),
            [data("one"), data("two")],
            "{newline:?}"
        );
    }
}

/// No name, number or time holds a brace; a line of data with a damaged name does.
#[test]
fn lines_that_hold_what_only_data_does_are_damaged() {
    let is_damaged = |event: &str| {
        let mut splitter = Splitter::new();
        splitter.push(format!("{event}\n\n").into());
        splitter.next_event().unwrap().unwrap().is_damaged()
    };
    for event in [
        "data: {\"a\":1}",
        "data:{}",
        ": ping {}",
        "data",
        "event: a\nid: 1\nretry: 5\ndata: {",
        "unknown: words\ndata: {}",
    ] {
        assert!(!is_damaged(event), "{event}");
    }
    for event in [
        "eata: {\"a\":1}",
        "data; {}",
        "datadata: {}",
        "event: adata: {}",
        "data: {}\n\u{b}data: {}",
        "{}",
    ] {
        assert!(is_damaged(event), "{event}");
    }
}

#[test]
fn a_cr_at_the_end_of_a_frame_may_be_half_of_a_crlf() {
    let frames: [&[u8]; 4] = [b"data: one\r", b"\n\r", b"\ndata: two\r\n\r", b"\n"];
    assert_eq!(read_all(&frames), [data("one"), data("two")]);
}

#[test]
fn an_event_that_ends_with_a_cr_does_not_wait_for_the_next_frame() {
    let mut splitter = Splitter::new();
    splitter.push("data: one\r\r".into());
    assert!(splitter.next_event().unwrap().is_some());
}

#[test]
fn a_byte_order_mark_is_left_out() {
    assert_eq!(
        read_all(&[b"\xef", b"\xbb\xbfdata: one\n\n"]),
        [data("one")]
    );
}

#[test]
fn fields_are_read_as_the_format_has_them() {
    let stream = b": ping\n\nevent: error\ndata:a\ndata:  b\ndata\nid: 7\ndatabase: no\n\n";
    let (name, data) = (b"error".to_vec(), b"a\n b\n".to_vec());
    assert_eq!(read_all(&[stream]), [(Some(name), Some(data))]);
}

#[test]
fn the_last_event_may_lack_its_blank_line() {
    assert_eq!(
        read_all(&[b"data: one\n\ndata: tw", b"o"]),
        [data("one"), data("two")]
    );
}

#[test]
fn an_event_beyond_the_limit_is_an_error() {
    let mut splitter = Splitter::with_max(16);
    splitter.push("data: short\n\n".into());
    assert!(splitter.next_event().unwrap().is_some());
    splitter.push("data: much longer".into());
    assert!(matches!(splitter.next_event(), Err(TooLong { .. })));
}

#[test]
fn raw_bytes_are_those_of_the_upstream() {
    let stream: &[u8] = b": hello\r\n\r\ndata: {}\r\ndata: x\n\n\ndata: y\n\n";
    let mut splitter = Splitter::new();
    let mut all = Vec::new();
    for byte in stream {
        splitter.push(vec![*byte].into());
        while let Some(event) = splitter.next_event().unwrap() {
            all.extend_from_slice(event.raw());
        }
    }
    assert_eq!(all, stream);
}

proptest! {
    /// Where frames are cut makes no difference.
    #[test]
    fn frames_do_not_matter(
        stream in "(data|event|:|id|\u{feff}|: ?|x|\n|\r|\r\n|\n\n){0,40}",
        cuts in prop::collection::vec(0usize..200, 0..12),
    ) {
        let stream = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.sort_unstable();
        let mut frames = Vec::new();
        let mut at = 0;
        for cut in cuts {
            frames.push(&stream[at..cut]);
            at = cut;
        }
        frames.push(&stream[at..]);
        prop_assert_eq!(read_all(&frames), read_all(&[stream]));
    }
}

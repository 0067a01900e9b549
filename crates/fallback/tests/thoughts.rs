//! Streams of chat that break while or after the model thinks aloud, with thoughts in lists beside the text of them.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::collections::BTreeMap;

use common::{
    general,
    streams::{DONE, Seen, broken, chunk, finish, play, role, says, streaming, whole},
};
use serde_json::{Value, json};
use ziggurat_fallback::{FallbackLayer, MAX_KEPT, StreamRecovery};
use ziggurat_testing::ScriptedBody;

const THOUGHT: &str = "Grüße, \"hm\"";
const CONTENT: &str = "It is 42.";

/// How a provider writes a piece of the thought with this number, beside or instead of the text of it.
type Write = fn(usize, &str) -> Value;

const PLAIN: Write = |_, text| json!({"reasoning_content": text});

const BLOCKS: Write = |at, text| {
    let block = json!({"index": at, "type": "thinking", "thinking": text});
    json!({"reasoning_content": text, "thinking_blocks": [block]})
};

const DETAILS: Write = |at, text| {
    let detail = json!({"index": at, "type": "reasoning.text", "text": text, "format": "f", "signature": null});
    json!({"reasoning": text, "reasoning_details": [detail]})
};

const SUMMARIES: Write = |at, text| {
    let detail = json!({"index": at, "type": "reasoning.summary", "summary": text, "id": null});
    json!({"reasoning": text, "reasoning_details": [detail]})
};

/// Some say nothing of thoughts but in the list.
const ALONE: Write = |at, text| {
    let detail = json!({"index": at, "type": "reasoning.text", "text": text});
    json!({"content": "", "reasoning_details": [detail]})
};

fn sealed(at: usize, signature: &str) -> Value {
    let block = json!({"index": at, "type": "thinking", "thinking": "", "signature": signature});
    json!({"reasoning_content": "", "thinking_blocks": [block]})
}

fn encrypted(data: &str) -> Value {
    let detail =
        json!({"index": 2, "type": "reasoning.encrypted", "id": data, "data": data, "format": "f"});
    json!({"reasoning": null, "reasoning_details": [detail]})
}

/// Pieces of so many characters.
fn pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<_> = text.chars().collect();
    let pieces = characters.chunks(size);
    pieces.map(|piece| piece.iter().collect()).collect()
}

fn thinks(id: &str, write: Write, at: usize, size: usize) -> String {
    let pieces = pieces(THOUGHT, size).into_iter();
    pieces
        .map(|text| chunk(id, &write(at, &text).to_string()))
        .collect()
}

fn tells(id: &str, delta: &Value) -> String {
    chunk(id, &delta.to_string())
}

fn answers(id: &str, size: usize) -> String {
    let pieces = pieces(CONTENT, size).into_iter();
    pieces.map(|text| says(id, &text)).collect()
}

/// A stream of one thought, what seals it, and the answer.
fn stream(id: &str, size: usize, write: Write, seal: Option<Value>) -> String {
    let seal = seal.map(|seal| tells(id, &seal)).unwrap_or_default();
    role(id) + &thinks(id, write, 0, size) + &seal + &answers(id, size) + &finish(id) + DONE
}

fn layer() -> FallbackLayer {
    general(&[("a", &["b", "c"])]).stream_recovery(StreamRecovery::Restart)
}

/// Where a stream breaks: where an event ends, and just before; with one way to cut the other stream, also anywhere else.
fn cuts(text: &str, size: usize) -> Vec<usize> {
    let is_end = |at: usize| text.as_bytes()[..at].ends_with(b"\n\n");
    let cuts = 0..text.len();
    cuts.filter(|&at| size == 3 && at % 5 == 0 || is_end(at) || is_end(at + 1))
        .collect()
}

async fn recovered(first: impl AsRef<[u8]>, second: &str) -> Seen {
    let bodies = [
        ("a", broken(first.as_ref().to_vec())),
        ("b", whole(second.to_owned())),
    ];
    play(&layer(), streaming(), bodies.into()).await
}

/// What a client puts together of a list: by number the text, and all that seals it.
fn gathered(seen: &Seen, list: &str) -> BTreeMap<u64, (String, Vec<String>)> {
    let mut blocks = BTreeMap::<_, (String, Vec<String>)>::new();
    for chunk in seen.chunks() {
        let items = chunk["choices"][0]["delta"][list].as_array().cloned();
        for item in items.into_iter().flatten() {
            let block = blocks.entry(item["index"].as_u64().unwrap()).or_default();
            for name in ["thinking", "text", "summary"] {
                block.0 += item[name].as_str().unwrap_or_default();
            }
            let seals = ["signature", "data"].map(|name| item[name].as_str().map(str::to_owned));
            block.1.extend(seals.into_iter().flatten());
        }
    }
    blocks
}

fn block(text: &str, seals: &[&str]) -> (String, Vec<String>) {
    (
        text.to_owned(),
        seals.iter().map(|&seal| seal.to_owned()).collect(),
    )
}

#[track_caller]
fn assert_answered(seen: &Seen, what: &str) {
    if let Err(end) = &seen.end {
        panic!("{what}: {end}: {}", seen.bytes);
    }
    assert_eq!(seen.text("content"), CONTENT, "{what}");
    assert_eq!(seen.bytes.matches(DONE).count(), 1, "{what}");
}

#[tokio::test]
async fn wherever_it_breaks_and_however_it_is_cut_each_thought_is_told_once() {
    for (write, text, list, seal) in [
        (BLOCKS, "reasoning_content", "thinking_blocks", None),
        (
            BLOCKS,
            "reasoning_content",
            "thinking_blocks",
            Some(sealed(0, "s==")),
        ),
        (DETAILS, "reasoning", "reasoning_details", None),
        (
            SUMMARIES,
            "reasoning",
            "reasoning_details",
            Some(encrypted("d==")),
        ),
        (
            ALONE,
            "reasoning_details",
            "reasoning_details",
            Some(encrypted("d==")),
        ),
    ] {
        let first = stream("one", 5, write, seal.clone());
        for size in [1, 3, 7, 99] {
            let second = stream("two", size, write, seal.clone());
            for cut in cuts(&first, size) {
                let what = format!("{list} {size} {cut}");
                let seen = recovered(&first.as_bytes()[..cut], &second).await;
                assert_answered(&seen, &what);
                if text != list {
                    assert_eq!(seen.text(text), THOUGHT, "{what}");
                }
                let wanted: &[_] = match &seal {
                    None => &[(0, block(THOUGHT, &[]))],
                    Some(seal) if seal.get("thinking_blocks").is_some() => {
                        &[(0, block(THOUGHT, &["s=="]))]
                    }
                    Some(_) => &[(0, block(THOUGHT, &[])), (2, block("", &["d=="]))],
                };
                let gathered: Vec<_> = gathered(&seen, list).into_iter().collect();
                assert_eq!(gathered, wanted, "{what}");
            }
        }
    }
}

/// Anthropic signs each answer's thoughts anew.
#[tokio::test]
async fn a_signature_that_has_gone_out_is_not_followed_by_another() {
    for (write, list, seal) in [
        (
            BLOCKS,
            "thinking_blocks",
            (|id| sealed(0, id)) as fn(&str) -> Value,
        ),
        (SUMMARIES, "reasoning_details", encrypted),
    ] {
        let first = stream("one", 5, write, Some(seal("one")));
        let second = stream("two", 4, write, Some(seal("two")));
        let sent = first.find(&tells("one", &seal("one"))).unwrap();
        let sent = sent + tells("one", &seal("one")).len();
        for cut in cuts(&first, 1).into_iter().skip(1) {
            let seen = recovered(&first.as_bytes()[..cut], &second).await;
            if cut < sent {
                assert_answered(&seen, list);
                let seals: Vec<_> = gathered(&seen, list)
                    .into_values()
                    .flat_map(|it| it.1)
                    .collect();
                assert_eq!(seals, ["two"], "{cut}");
            } else {
                let failure = seen.end.unwrap_err();
                assert!(failure.message().unwrap().contains("repeats"), "{failure}");
                assert!(first.starts_with(&seen.bytes), "{cut}: {}", seen.bytes);
            }
        }
    }
}

/// The client has the thought as text; the block comes whole, with its own signature, once all that the client has was repeated.
#[tokio::test]
async fn thoughts_that_the_client_has_as_text_alone_may_become_blocks() {
    let first = stream("one", 5, PLAIN, None);
    for size in [1, 3, 7, 99] {
        let second = stream("two", size, BLOCKS, Some(sealed(0, "s==")));
        let sent = first.len() - finish("one").len() - DONE.len();
        for cut in cuts(&first[..sent], size) {
            let what = format!("{size} {cut}");
            let seen = recovered(&first.as_bytes()[..cut], &second).await;
            assert_answered(&seen, &what);
            assert_eq!(seen.text("reasoning_content"), THOUGHT, "{what}");
            let blocks: Vec<_> = gathered(&seen, "thinking_blocks").into_values().collect();
            assert_eq!(blocks, [block(THOUGHT, &["s=="])], "{what}");
        }
    }
}

/// What the client has of the block stays as it is; its text is known to be that of `reasoning_content`.
#[tokio::test]
async fn thoughts_that_the_client_has_as_blocks_may_go_on_as_text_alone() {
    let seal = || Some(sealed(0, "s=="));
    for (first, second, list, text) in [
        (
            stream("one", 5, BLOCKS, None),
            PLAIN,
            "thinking_blocks",
            "reasoning_content",
        ),
        (
            stream("one", 5, BLOCKS, seal()),
            PLAIN,
            "thinking_blocks",
            "reasoning_content",
        ),
        (
            stream("one", 5, BLOCKS, seal()),
            BLOCKS,
            "thinking_blocks",
            "reasoning_content",
        ),
        (
            stream("one", 5, DETAILS, None),
            PLAIN,
            "reasoning_details",
            "reasoning",
        ),
    ] {
        for size in [1, 3, 7, 99] {
            let second = stream("two", size, second, None).replace("reasoning_content", text);
            for cut in cuts(&first, size) {
                let what = format!("{size} {cut}");
                let sent = &first.as_bytes()[..cut];
                let seen = recovered(sent, &second).await;
                assert_answered(&seen, &what);
                assert_eq!(seen.text(text), THOUGHT, "{what}");
                let sent = String::from_utf8_lossy(sent);
                let sealed = sent
                    .rsplit_once("\n\n")
                    .is_some_and(|it| it.0.contains("\"s==\""));
                for (text, seals) in gathered(&seen, list).into_values() {
                    assert!(THOUGHT.starts_with(&text), "{what}");
                    assert!(seals.is_empty() || text == THOUGHT, "{what}");
                    assert_eq!(!seals.is_empty(), sealed, "{what}");
                }
            }
        }
    }
}

/// A block that the answer went on without is not gone on with, though what comes later might be sealed.
#[tokio::test]
async fn a_block_that_was_left_behind_is_not_sealed() {
    let first = thinks("one", BLOCKS, 0, 5);
    for odd in ["", "data: {\"what\":1}\n\n"] {
        let second = thinks("two", PLAIN, 0, 9)
            + &says("two", "It")
            + odd
            + &thinks("two", BLOCKS, 0, 9)
            + &tells("two", &sealed(0, "s=="))
            + &says("two", " is 42.")
            + DONE;
        let seen = recovered(&first, &second).await;
        assert_answered(&seen, odd);
        let blocks: Vec<_> = gathered(&seen, "thinking_blocks").into_values().collect();
        assert_eq!(blocks, [block(THOUGHT, &[])]);
    }
}

#[tokio::test]
async fn nothing_of_an_answer_that_says_something_else_goes_out() {
    let thought = |write| thinks("one", write, 0, 5);
    let sealed_first = thought(BLOCKS) + &tells("one", &sealed(0, "s"));
    let other = |write, seal: Option<Value>| stream("two", 3, write, seal);
    let redacted =
        json!({"thinking_blocks": [{"index": 1, "type": "redacted_thinking", "data": "d"}]});
    let numbered: Write = |_, text| BLOCKS(1, text);
    for (first, second) in [
        // Another text behind the same thoughts, which the client does not have as blocks.
        (
            thought(PLAIN) + &says("one", "At"),
            other(BLOCKS, Some(sealed(0, "s"))),
        ),
        // Another thought.
        (
            thinks("one", BLOCKS, 0, 5).replace("hm", "ah"),
            other(BLOCKS, None),
        ),
        (
            thinks("one", ALONE, 0, 5).replace("hm", "ah"),
            other(ALONE, None),
        ),
        // None.
        (thought(ALONE), role("two") + &answers("two", 5) + DONE),
        (thought(ALONE), role("two") + DONE),
        // Another that is sealed.
        (sealed_first.clone(), other(BLOCKS, Some(sealed(0, "st")))),
        (
            sealed_first.replace("\"s\"", "\"st\""),
            other(BLOCKS, Some(sealed(0, "s"))),
        ),
        // None that is hidden.
        (
            thought(BLOCKS) + &tells("one", &redacted),
            other(BLOCKS, None),
        ),
        (
            thought(DETAILS) + &tells("one", &encrypted("d")),
            other(DETAILS, None),
        ),
        // Another block.
        (thought(BLOCKS), other(numbered, Some(sealed(1, "s")))),
    ] {
        let seen = recovered(&first, &second).await;
        assert_eq!(seen.bytes, first, "{second}");
        let failure = seen.end.unwrap_err();
        assert!(failure.message().unwrap().contains("repeats"), "{failure}");
    }
}

/// What is held back of another answer counts for what is kept.
#[tokio::test]
async fn what_is_held_back_has_an_end() {
    let data = "x".repeat(MAX_KEPT / 8);
    let hidden = |at: usize| {
        let block = json!({"index": at, "type": "redacted_thinking", "data": data});
        tells("two", &json!({"thinking_blocks": [block]}))
    };
    for (count, is_kept) in [(7, true), (9, false)] {
        let second = (0..count).fold(ScriptedBody::new(), |body, at| body.data(hidden(at)));
        let second = second.data(answers("two", 5) + DONE);
        let bodies = [("a", broken(says("one", "It"))), ("b", second)];
        let seen = play(&layer(), streaming(), bodies.into()).await;
        assert_eq!(seen.end.is_ok(), is_kept, "{count}");
        let blocks = gathered(&seen, "thinking_blocks");
        assert_eq!(blocks.len(), if is_kept { count } else { 0 });
    }
}

#[tokio::test]
async fn a_second_break_is_recovered_with_the_thoughts_of_both() {
    let half = |text: String, bytes: &str| text[..text.find(bytes).unwrap()].to_owned();
    let second = stream("two", 3, BLOCKS, Some(sealed(0, "s==")));
    for (first, second, seals) in [
        // It breaks while the second's blocks are held back, and when they are out.
        (PLAIN, half(second.clone(), "\"is \""), ["s=="]),
        (PLAIN, half(second.clone(), "\"42.\""), ["s=="]),
        (BLOCKS, half(second, "\"s==\""), ["s=="]),
    ] {
        let first = role("one") + &thinks("one", first, 0, 5) + &says("one", "It is");
        let bodies = [
            ("a", broken(first.clone())),
            ("b", broken(second.clone())),
            (
                "c",
                whole(stream("three", 4, BLOCKS, Some(sealed(0, "s==")))),
            ),
        ];
        let seen = play(&layer(), streaming(), bodies.into()).await;
        assert_answered(&seen, &second);
        assert_eq!(seen.text("reasoning_content"), THOUGHT);
        let blocks: Vec<_> = gathered(&seen, "thinking_blocks").into_values().collect();
        assert_eq!(blocks, [block(THOUGHT, &seals)], "{}", seen.bytes);
    }
}

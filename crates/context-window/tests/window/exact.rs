//! Exact counts. The numbers are those of Python's `tiktoken` 0.14 with the rules written down a second time.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use ziggurat_context_window::{CountTokens, Exact, Family, Prompt};
use ziggurat_core::{LlmRequest, TokenCount, json::Document};

use crate::support::{llm, words};

const GOLDEN: &str = include_str!("golden.json");

fn count(counter: Exact, body: &Value) -> u64 {
    let llm = llm(body);
    let count = counter.count(&Prompt::new(&llm, None), u64::MAX).unwrap();
    assert!(count.is_exact());
    count.tokens()
}

/// The text of the body as it is: the order of a tool's properties matters.
#[derive(Deserialize)]
struct Case {
    body: Box<RawValue>,
    cl100k: u64,
    o200k: u64,
}

#[test]
fn requests_count_as_in_the_reference() {
    let golden: BTreeMap<String, Case> = serde_json::from_str(GOLDEN).unwrap();
    for (name, case) in golden {
        let document = Document::parse(case.body.get().to_owned().into()).unwrap();
        let llm = LlmRequest::new("group", false, document);
        let prompt = Prompt::new(&llm, None);
        let counts = [Exact::cl100k(), Exact::o200k()].map(|it| it.count(&prompt, u64::MAX));
        let expected = [case.cl100k, case.o200k].map(|tokens| Some(TokenCount::exact(tokens)));
        assert_eq!(counts, expected, "{name}");
    }
}

#[test]
fn thirteen_words_are_twenty_one_tokens() {
    let body = |words| json!({"messages": [{"role": "user", "content": "word ".repeat(words)}]});
    assert_eq!(count(Exact::cl100k(), &body(13)), 21);
    assert_eq!(count(Exact::cl100k(), &body(12)), 20);
    assert_eq!(count(Exact::o200k(), &words(13)), 21);
}

#[test]
fn texts_count_as_in_the_reference() {
    for (text, cl100k, o200k) in [
        ("a".repeat(1000), 125, 125),
        (" ".repeat(1000) + "x", 10, 10),
        ("\n".repeat(999), 32, 63),
        ("<|endoftext|>".to_owned(), 7, 7),
        ("don't we'll I'M".to_owned(), 6, 4),
        ("٣٤٥١٢".to_owned(), 10, 5),
        ("fooBarBAZ".to_owned(), 4, 4),
        ("\u{3000}全角\u{3000}スペース".to_owned(), 7, 6),
    ] {
        let counts = [Exact::cl100k(), Exact::o200k()].map(|it| it.text(&text, u64::MAX).tokens());
        assert_eq!(counts, [cl100k, o200k], "{text:.20}");
    }
}

#[test]
fn no_token_is_longer_than_the_bound_says() {
    for tokenizer in [bpe_openai::cl100k_base(), bpe_openai::o200k_base()] {
        let tokens = 0..u32::try_from(tokenizer.bpe.num_tokens()).unwrap();
        assert_eq!(
            tokens.map(|token| tokenizer.bpe.token_len(token)).max(),
            Some(128)
        );
    }
}

#[test]
fn what_cannot_fit_is_not_counted() {
    let text = "a b ".repeat(1_000_000);
    let count = Exact::o200k().text(&text, 10_000);
    assert_eq!(
        count,
        TokenCount::above(31_249),
        "4,000,000 bytes / 128 - 1"
    );
}

#[test]
fn a_family_that_is_not_openais_has_a_margin() {
    use http::Request;
    use tower::Layer;
    use ziggurat_context_window::{ContextWindowFilterLayer, Window};
    use ziggurat_core::{Admit, Open};

    let request: Request<()> = crate::support::request(&words(1000));
    let admits = |window: Window| {
        let filter = ContextWindowFilterLayer::new(window).layer(Open::new(()));
        filter
            .admit(&request)
            .map_err(|it| it.message().unwrap().to_owned())
    };
    // 1008 tokens of o200k.
    assert!(admits(Window::new("gpt-4o", Some(1008))).is_ok());
    assert!(admits(Window::new("gpt-4o", Some(1007))).is_err());
    let claude = |tokens| Window::new("claude-3-opus-20240229", Some(tokens));
    // About 1210; four fifths are 967.
    assert!(admits(claude(967)).is_ok());
    let message = admits(claude(966)).unwrap_err();
    assert_eq!(
        message,
        "Model=claude-3-opus-20240229, Max Input Tokens=966, Got=1210"
    );
    assert!(admits(claude(966).family(Family::Other)).is_ok());
}

/// Texts of all kinds: any characters, words, runs, digits.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "[a-z' ]{0,60}",
        "[A-Za-z0-9 .,]{0,60}",
        "[0-9a-f]{0,90}",
        ("[a-z =\\n0-9]", 1..400usize).prop_map(|(piece, times)| piece.repeat(times)),
        "(\\p{L}|\\p{N}|\\p{M}|'s|')*",
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn message(content: &str) -> impl Strategy<Value = Value> + use<> {
    let content = content.to_owned();
    prop_oneof![
        Just(json!({"role": "user", "content": content})),
        Just(
            json!({"role": "system", "content": [{"type": "text", "text": content}], "name": "n"})
        ),
        Just(
            json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": content, "detail": "high"}}]})
        ),
        Just(
            json!({"role": "user", "content": [{"type": "image"}, {"type": "image", "detail": "high"}]})
        ),
        Just(
            json!({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": content}}]})
        ),
        Just(json!({})),
    ]
}

fn bodies() -> impl Strategy<Value = Value> {
    let messages = texts().prop_flat_map(|text| message(&text));
    let tool = (texts(), "[a-z]{0,3}").prop_map(|(description, name)| {
        json!({"name": name, "description": description, "parameters": {"properties": {
            "a": {"type": "integer", "enum": [1, 2, 3, 4]}, &name: {}, "o": {"type": "object"},
            "d": {"type": "array", "items": {"type": "object", "properties": {"x": {"description": description}}}},
        }}})
    });
    (
        prop::collection::vec(messages, 0..6),
        prop::collection::vec(tool, 0..3),
    )
        .prop_map(|(messages, tools)| json!({"messages": messages, "tools": tools}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    #[test]
    fn bounds_never_contradict_the_count(text in texts()) {
        for counter in [Exact::cl100k(), Exact::o200k()] {
            let tokens = counter.text(&text, u64::MAX).tokens();
            let body = json!({"input": text});
            let llm = llm(&body);
            let prompt = Prompt::new(&llm, None);
            let bound = ziggurat_context_window::Bytes.count(&prompt, u64::MAX).unwrap();
            prop_assert!(bound.least() <= tokens, "{bound:?}, {tokens}");
            prop_assert!(bound.most().unwrap() >= tokens);
        }
    }

    #[test]
    fn what_fits_by_its_size_fits(body in bodies()) {
        let llm = llm(&body);
        let prompt = Prompt::new(&llm, None);
        for counter in [Exact::cl100k(), Exact::o200k()] {
            let tokens = count(counter, &body);
            for limit in [100, 1000, 10_000, 100_000] {
                let most = counter.most(&prompt, limit);
                prop_assert!(most.is_none_or(|most| tokens <= most && most <= limit), "{tokens} {most:?}");
            }
        }
    }

    #[test]
    fn a_stopped_count_agrees_with_the_whole(body in bodies(), limit in 0..400u64) {
        let llm = llm(&body);
        let prompt = Prompt::new(&llm, None);
        for counter in [Exact::cl100k(), Exact::o200k()] {
            let tokens = count(counter, &body);
            let stopped = counter.count(&prompt, limit).unwrap();
            prop_assert_eq!(stopped.least() > limit, tokens > limit, "{:?} {}", stopped, tokens);
            prop_assert!(stopped.least() <= tokens);
            if tokens <= limit { prop_assert_eq!(stopped, TokenCount::exact(tokens)); }
        }
    }
}

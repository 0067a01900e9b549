//! How long counting takes: by size and kind of text, and where bounds decide.
//!
//! `cargo bench -p ziggurat-context-window --features exact-tokens`. Each line is the best of some runs, so that other
//! load on the machine counts little. The last column is the time per byte beside that of the next smaller text of the
//! kind: in linear time it stays about 1.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a measurement, not a service"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use http::Request;
use serde_json::json;
use tower_layer::Layer;
use ziggurat_context_window::{
    Bytes, ContextWindowFilterLayer, CountTokens, Exact, Prompt, Window,
};
use ziggurat_core::{Admit, LlmRequest, Open, json::Document};

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];

fn best(runs: usize, mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..runs).map(time).min().unwrap()
}

/// Letters without words, from a fixed seed.
fn noise(size: usize, alphabet: &[char]) -> String {
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        alphabet[(state >> 33) as usize % alphabet.len()]
    };
    let mut text = String::new();
    while text.len() < size {
        text.push(next());
    }
    text
}

fn texts(size: usize) -> Vec<(&'static str, String)> {
    let run = |piece: &str| piece.repeat(size.div_ceil(piece.len()));
    let letters: Vec<char> = ('a'..='z').collect();
    let mixed: Vec<char> = "aA1 \n'.éß漢ʰ\u{301}٣🦀\u{3000}".chars().collect();
    vec![
        (
            "English",
            run("The quick brown fox jumps over the lazy dog, and what is the meaning of 42? "),
        ),
        (
            "code",
            run("fn main() {\n    let x: Vec<u8> = (0..10).map(|i| i * 2).collect();\n}\n"),
        ),
        ("one character", run("a")),
        ("spaces", run(" ")),
        ("line ends", run("\n")),
        ("spaces, line ends", run(" \n \t")),
        ("capitals", run("A")),
        ("modifiers, capitals", run("ʰA")),
        ("punctuation", run("'")),
        ("random letters", noise(size, &letters)),
        ("random classes", noise(size, &mixed)),
    ]
}

fn llm(content: &str) -> LlmRequest {
    let body = json!({"model": "gpt-4", "messages": [{"role": "user", "content": content}]});
    let document = Document::parse(body.to_string().into()).unwrap();
    LlmRequest::new("gpt-4", false, document)
}

fn counting(name: &str, counter: &dyn CountTokens) {
    println!(
        "\n{name}: counting the whole prompt\n{:<22}{:>10}{:>12}{:>10}{:>8}",
        "text", "bytes", "tokens", "µs", "ratio"
    );
    let kinds = texts(1).len();
    for kind in 0..kinds {
        let mut before = None;
        for size in SIZES {
            let (label, text) = texts(size).swap_remove(kind);
            let llm = llm(&text);
            let prompt = Prompt::new(&llm, None);
            let tokens = counter.count(&prompt, u64::MAX).unwrap().tokens();
            let runs = (3_000_000 / size).clamp(3, 200);
            let time = best(runs, || {
                black_box(counter.count(&prompt, u64::MAX));
            });
            let each = time.as_secs_f64() / size as f64;
            let ratio = before.map_or(String::from("-"), |before: f64| {
                format!("{:.2}", each / before)
            });
            before = Some(each);
            println!(
                "{label:<22}{size:>10}{tokens:>12}{:>10.1}{ratio:>8}",
                time.as_secs_f64() * 1e6
            );
        }
    }
}

/// Asks a hundred deployments, as whoever chooses among them does.
fn admitting(label: &str, content: &str, window: u64) {
    let filter =
        ContextWindowFilterLayer::new(Window::new("gpt-4", Some(window))).layer(Open::new(()));
    let fresh = || {
        let mut request = Request::new(());
        request.extensions_mut().insert(llm(content));
        request
    };
    let mut first = Duration::MAX;
    for _ in 0..20 {
        let request = fresh();
        first = first.min(best(1, || {
            let _ = black_box(filter.admit(&request));
        }));
    }
    let request = fresh();
    let hundred = best(20, || {
        for _ in 0..100 {
            let _ = black_box(filter.admit(&request));
        }
    });
    println!(
        "{label:<44}{:>12.2}{:>14.0}",
        first.as_secs_f64() * 1e6,
        hundred.as_secs_f64() * 1e7
    );
}

fn main() {
    // Loads the vocabularies.
    for counter in [Exact::cl100k(), Exact::o200k()] {
        let time = best(1, || {
            black_box(counter.text("a", u64::MAX));
        });
        println!(
            "{} loaded in {:.0} ms",
            counter.name(),
            time.as_secs_f64() * 1e3
        );
    }
    counting("o200k", &Exact::o200k());
    counting("cl100k", &Exact::cl100k());
    counting("bytes", &Bytes);

    println!(
        "\n{:<44}{:>12}{:>14}",
        "admit, exact (cl100k)", "first, µs", "later, ns"
    );
    let prose = |size: usize| texts(size).swap_remove(0).1;
    admitting(
        "1 KB into 128,000: fits by its size",
        &prose(1_000),
        128_000,
    );
    admitting(
        "100 KB into 128,000: fits, one search",
        &prose(100_000),
        128_000,
    );
    admitting(
        "100 KB into 16,385: counted to the limit",
        &prose(100_000),
        16_385,
    );
    admitting(
        "1 MB into 16,385: counted to the limit",
        &prose(1_000_000),
        16_385,
    );
    admitting(
        "1 MB into 4,096: cannot fit by its size",
        &prose(1_000_000),
        4_096,
    );
}

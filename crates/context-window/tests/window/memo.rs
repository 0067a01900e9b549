//! Counted once per request, whatever the number of deployments and hops.

use http::Request;
use serde_json::json;
use tower::Layer;
use ziggurat_context_window::{ContextWindowFilterLayer, Window};
use ziggurat_core::{Admit, LlmRequest, Open};

use crate::support::{Words, parameters, request, with, words};

fn admits(window: &Window, request: &Request<()>) -> bool {
    let filter = ContextWindowFilterLayer::new(window.clone()).layer(Open::new(()));
    filter.admit(request).is_ok()
}

#[test]
fn a_hundred_deployments_share_one_count() {
    let counter = Words::default();
    let request = request(&words(40));
    for tokens in 1..=100 {
        // Attempts and hops are copies.
        let copy = request.clone();
        assert_eq!(admits(&counter.window(tokens), &copy), tokens >= 47);
    }
    assert_eq!(counter.counts(), 1);
}

#[test]
fn large_windows_do_not_begin_anew_for_each_step() {
    let counter = Words::default();
    let request = request(&words(1_000_000));
    for tokens in (10_000..1_000_000).step_by(1000) {
        assert!(!admits(&counter.window(tokens), &request));
    }
    assert!(admits(&counter.window(1_000_007), &request));
    // 10,000, then four times as far each time.
    assert!(counter.counts() <= 5, "{} counts", counter.counts());
}

#[test]
fn a_hop_with_another_prompt_is_counted_again() {
    let counter = Words::default();
    let window = counter.window(20);
    let request = request(&words(40));
    assert!(!admits(&window, &request));
    let hop = with(request.clone(), parameters(&words(3)));
    for _ in 0..3 {
        assert!(admits(&window, &hop.clone()));
    }
    assert_eq!(counter.counts(), 2);
    let other = with(request.clone(), parameters(&words(50)));
    assert!(!admits(&window, &other));
    assert_eq!(counter.counts(), 3);
    // Parameters that change nothing about the prompt.
    let cooler = with(
        request.clone(),
        parameters(&json!({"temperature": 0.1, "max_tokens": 5})),
    );
    assert!(!admits(&window, &cooler));
    assert!(!admits(&window, &request));
    assert_eq!(counter.counts(), 3);
}

#[test]
fn a_hop_may_ask_for_a_shorter_answer() {
    let window = Words::default().window(20).shared(true);
    let mut body = words(10);
    body["max_tokens"] = json!(100);
    let request = request(&body);
    assert!(!admits(&window, &request));
    let hop = with(request, parameters(&json!({"max_tokens": 3})));
    assert!(admits(&window, &hop));
}

#[test]
fn others_may_read_the_count() {
    let request = request(&words(40));
    let llm = request.extensions().get::<LlmRequest>().unwrap();
    assert_eq!(llm.tokens().guess(), None);
    assert!(!admits(&Words::default().window(20), &request));
    assert_eq!(llm.tokens().guess(), Some(47));
}

//! Counting ahead: once, for all windows, off the async thread above a size.

use std::{convert::Infallible, thread};

use http::{Request, Response};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_context_window::{CountTokens, PrecountLayer, Prompt, Window};
use ziggurat_core::{LlmRequest, TokenCount};
use ziggurat_testing::{ScriptedBody, StrictProbe};

use crate::support::{Words, request, words};

/// Returns what is known about the prompt when the call arrives.
async fn known(layer: &PrecountLayer, body: &Value) -> Option<TokenCount> {
    let leaf = service_fn(|request: Request<()>| async move {
        let llm = request.extensions().get::<LlmRequest>().unwrap();
        Ok::<_, Infallible>(llm.tokens().get("words", None))
    });
    layer.layer(leaf).oneshot(request(body)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_count_is_there_before_the_call() {
    for inline in [0, 1 << 30] {
        let counter = Words::default();
        let windows = [10, 30_000, 20_000].map(|tokens| counter.window(tokens));
        let layer = PrecountLayer::new(windows).inline_up_to(inline);
        assert_eq!(known(&layer, &words(40)).await, Some(TokenCount::exact(47)));
        assert_eq!(
            known(&layer, &words(29_000)).await,
            Some(TokenCount::exact(29_007))
        );
        // Not further than the largest.
        assert_eq!(
            known(&layer, &words(100_000)).await,
            Some(TokenCount::above(30_000))
        );
        assert_eq!(counter.counts(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_counted_without_need() {
    let counter = Words::default();
    let unknown = Window::new("test", None).counter(std::sync::Arc::new(counter.clone()));
    let layer = PrecountLayer::new([unknown]);
    assert_eq!(known(&layer, &words(40)).await, None);
    let layer = PrecountLayer::new([]);
    assert_eq!(known(&layer, &words(40)).await, None);
    assert_eq!(counter.counts(), 0);
    // Fits by its size.
    let layer = PrecountLayer::new([Window::new("gpt-4", Some(100_000))]);
    let leaf = service_fn(|request: Request<()>| async move {
        let llm = request.extensions().get::<LlmRequest>().unwrap();
        Ok::<_, Infallible>(llm.tokens().guess())
    });
    let guess = layer
        .layer(leaf)
        .oneshot(request(&words(40)))
        .await
        .unwrap();
    assert_eq!(guess, None);
}

/// Notes the thread that counts.
#[derive(Debug)]
struct Elsewhere(thread::ThreadId);

impl CountTokens for Elsewhere {
    fn name(&self) -> &'static str {
        "words"
    }

    fn count(&self, _: &Prompt<'_>, _: u64) -> Option<TokenCount> {
        Some(TokenCount::exact(u64::from(
            thread::current().id() != self.0,
        )))
    }
}

#[tokio::test(start_paused = true)]
async fn large_prompts_are_counted_on_another_thread() {
    let counter = std::sync::Arc::new(Elsewhere(thread::current().id()));
    let layer = PrecountLayer::new([Window::new("test", Some(1)).counter(counter)]);
    // 16 KiB is the default.
    assert_eq!(
        known(&layer, &words(8000)).await,
        Some(TokenCount::exact(0))
    );
    assert_eq!(
        known(&layer, &words(8500)).await,
        Some(TokenCount::exact(1))
    );
}

#[tokio::test(start_paused = true)]
async fn dropped_while_counting_nothing_is_called() {
    let probe = StrictProbe::<Request<()>, Response<ScriptedBody>, Infallible>::new(|_| {
        Ok(Response::new(ScriptedBody::new()))
    });
    let tally = probe.tally();
    let layer = PrecountLayer::new([Words::default().window(10)]).inline_up_to(0);
    let mut service = layer.layer(probe);
    let ready = service.ready().await.unwrap();
    let mut call = tokio_test::task::spawn(tower::Service::call(ready, request(&words(100_000))));
    let _ = call.poll();
    drop(call);
    assert_eq!(tally.calls(), 0);
    assert!(service.ready().await.is_ok());
}

#[test]
fn without_a_runtime_it_counts_in_place() {
    let counter = Words::default();
    let layer = PrecountLayer::new([counter.window(10)]).inline_up_to(0);
    let leaf = service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(())));
    let call = layer.layer(leaf).oneshot(request(&words(50)));
    tokio_test::block_on(call).unwrap();
    assert_eq!(counter.counts(), 1);
}

//! What any tower layer owes: readiness, pass-through, cancellation, errors, types.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use tower::Layer;
use ziggurat_context_window::{ContextWindowFilterLayer, PrecountLayer, Window};
use ziggurat_testing::contract;

use crate::support::{Words, llm, with, words};

fn requests() -> [Request<Full<Bytes>>; 3] {
    let read = |body| with(contract::request(), llm(&body));
    [
        contract::request(),
        read(json!({"messages": [{"role": "user", "content": "hello"}]})),
        read(words(5000)),
    ]
}

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds_for_the_filter() {
    for request in requests() {
        for window in [
            Words::default().window(6000),
            Window::new("gpt-4", None),
            Window::new("gpt-4", Some(6000)),
        ] {
            let layer = ContextWindowFilterLayer::new(window);
            contract::all(&layer, &request).await;
            contract::admission(&layer, &request).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds_for_counting_ahead() {
    for request in requests() {
        for inline in [0, 1 << 20] {
            let layer = PrecountLayer::new([Words::default().window(10)]).inline_up_to(inline);
            contract::all(&layer, &request).await;
            contract::admission(&layer, &request).await;
        }
    }
}

#[test]
fn the_inner_service_can_be_reached() {
    let mut filter = ContextWindowFilterLayer::new(Window::new("a", None)).layer("inner");
    assert_eq!(*filter.get_ref(), "inner");
    *filter.get_mut() = "other";
    assert_eq!(filter.into_inner(), "other");
    let mut precount = PrecountLayer::new([]).layer("inner");
    assert_eq!(*precount.get_ref(), "inner");
    *precount.get_mut() = "other";
    assert_eq!(precount.into_inner(), "other");
}

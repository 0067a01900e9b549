//! Who passes, and how a refusal looks: R139-R143.

use std::error::Error as _;

use http::{Request, Response};
use serde_json::json;
use tower::{Layer, ServiceExt};
use ziggurat_context_window::{ContextWindowFilterLayer, DoesNotFit, Window};
use ziggurat_core::{Admit, DeploymentId, Failure, FailureKind, Open};
use ziggurat_testing::{ScriptedBody, ScriptedService};

use crate::support::{Words, request, with, words};

type Leaf = ScriptedService<Request<()>, Response<ScriptedBody>, Failure>;

async fn passes(window: &Window, request: Request<()>) -> Result<(), Failure> {
    let leaf = Leaf::new().ok(Response::new(ScriptedBody::new()));
    let filter = ContextWindowFilterLayer::new(window.clone()).layer(Open::new(leaf));
    let admitted = filter.admit(&request);
    let called = filter.oneshot(request).await;
    assert_eq!(admitted.is_ok(), called.is_ok(), "advice and call agree");
    if let (Err(rejection), Err(failure)) = (admitted, &called) {
        assert_eq!(rejection.kind(), failure.kind());
        let advised = rejection.message().unwrap();
        let told = format!("the prompt exceeds the context window: {advised}");
        assert_eq!(failure.message(), Some(&*told));
    }
    called.map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn a_prompt_as_long_as_the_window_passes() {
    let window = Words::default().window(20);
    passes(&window, request(&words(13))).await.unwrap();
    let failure = passes(&window, request(&words(14))).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::ContextWindow);
    assert_eq!(failure.status(), 400);
    assert_eq!(
        failure.message(),
        Some("the prompt exceeds the context window: Model=test, Max Input Tokens=20, Got=21")
    );
    let source = failure
        .source()
        .unwrap()
        .downcast_ref::<DoesNotFit>()
        .unwrap();
    assert_eq!((source.needed(), source.window()), (21, 20));
    assert_eq!(source.to_string(), "21 tokens do not fit into 20");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_deployment() {
    let request = with(request(&words(99)), DeploymentId::new("small"));
    let failure = passes(&Words::default().window(20), request)
        .await
        .unwrap_err();
    assert_eq!(failure.deployment(), Some(&DeploymentId::new("small")));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_refused_on_a_guess() {
    let small = Words::default().window(1);
    // Nobody read the body.
    passes(&small, Request::new(())).await.unwrap();
    // No prompt, or none that can be read.
    passes(&small, request(&json!({"a": "b c d"})))
        .await
        .unwrap();
    passes(&small, request(&json!({"messages": "a b c"})))
        .await
        .unwrap();
    for unknown in [None, Some(0)] {
        let window = Window::new("test", unknown);
        passes(&window, request(&words(100_000))).await.unwrap();
        assert_eq!(window.max_input_tokens(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_counts_where_it_shares_the_window() {
    let window = Words::default().window(20);
    let mut body = words(10);
    body["max_tokens"] = json!(4);
    passes(&window, request(&body)).await.unwrap();
    let shared = window.shared(true);
    let failure = passes(&shared, request(&body)).await.unwrap_err();
    assert_eq!(
        failure.message(),
        Some("the prompt exceeds the context window: Model=test, Max Input Tokens=20, Got=21")
    );
    body["max_completion_tokens"] = json!(3);
    passes(&shared, request(&body)).await.unwrap();
    // No room for any prompt.
    body["max_completion_tokens"] = json!(u64::MAX);
    passes(&shared, request(&body)).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn events_and_debug_show_no_prompt() {
    let secret = json!({"messages": [{"role": "user", "content": "swordfish ".repeat(99)}]});
    let request = request(&secret);
    let failure = passes(&Words::default().window(5), request.clone())
        .await
        .unwrap_err();
    let shown = format!("{failure:?} {failure} {:?}", request.extensions());
    assert!(!shown.contains("swordfish"));
}

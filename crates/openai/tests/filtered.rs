//! Plain answers whose content was held back.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use ziggurat_core::{ContentFiltered, Failure, JsonBody, Operation, Served, json::Document};
use ziggurat_mock::{Step, Upstream};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{HttpClient, ProviderService};

/// Asks an upstream that answers with these choices; says whether the answer is marked, and returns it; null if it is a failure.
async fn ask(request: Value, choices: Value) -> (bool, Value) {
    let answer =
        json!({"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": choices});
    let answer = Response::builder()
        .header("content-type", "application/json")
        .body(Bytes::from(answer.to_string()))
        .unwrap();
    let upstream = Upstream::new("filter")
        .script(Step::respond(answer))
        .start()
        .await
        .unwrap();
    let dialect = OpenAi::builder(Face::OpenAi, "m")
        .api_base(upstream.url())
        .api_key("sk-secret")
        .build()
        .unwrap();
    let served = Served::new("deployment-1".into(), "m", None);
    let service = ProviderService::new(HttpClient::new(), Arc::new(dialect), served);
    let is_chat = request.get("prompt").is_none();
    let document = Document::parse(request.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document));
    if !is_chat {
        request.extensions_mut().insert(Operation::Completions);
    }
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let marked = head.extensions.get::<ContentFiltered>().is_some();
    if head.extensions.get::<Failure>().is_some() {
        return (marked, Value::Null);
    }
    assert_eq!(head.status, 200);
    let body = body.collect().await.unwrap().to_bytes();
    (marked, serde_json::from_slice(&body).unwrap())
}

fn choice(reason: &Value) -> Value {
    json!({"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": reason})
}

async fn is_marked(reasons: &[Value]) -> bool {
    let request = json!({"model": "m", "messages": [], "n": reasons.len().max(1)});
    ask(request, reasons.iter().map(choice).collect()).await.0
}

#[tokio::test]
async fn r165_the_reason_of_the_first_choice_marks_it() {
    for filtered in ["content_filter", "content_filtered", "refusal", "SAFETY"] {
        assert!(is_marked(&[json!(filtered)]).await, "{filtered}");
        assert!(is_marked(&[json!(filtered), json!("stop")]).await);
        assert!(!is_marked(&[json!("stop"), json!(filtered)]).await);
    }
    for other in [
        json!("stop"),
        json!("length"),
        json!("tool_calls"),
        Value::Null,
        json!("odd"),
    ] {
        assert!(!is_marked(std::slice::from_ref(&other)).await, "{other}");
    }
}

#[tokio::test]
async fn r165_the_answer_is_what_the_upstream_sent() {
    let request = json!({"model": "m", "messages": []});
    let mut choices = json!([choice(&json!("content_filter"))]);
    choices[0]["content_filter_results"] = json!({"hate": {"filtered": true}});
    let (marked, answer) = ask(request, choices.clone()).await;
    assert!(marked);
    assert_eq!(answer["choices"], choices);
}

#[tokio::test]
async fn r165_what_a_model_says_is_not_how_it_ended() {
    let mut choices = json!([choice(&json!("stop"))]);
    choices[0]["message"]["content"] = json!(r#"{"finish_reason":"content_filter"}"#);
    let request = json!({"model": "m", "messages": []});
    assert!(!ask(request, choices).await.0);
}

#[tokio::test]
async fn r166_an_empty_list_of_choices_is_no_refusal_but_no_answer() {
    let (marked, answer) = ask(json!({"model": "m", "messages": []}), json!([])).await;
    assert!(!marked && answer.is_null(), "{answer}");
}

#[tokio::test]
async fn r168_answers_of_legacy_completions_are_marked_as_well() {
    let request = json!({"model": "m", "prompt": "x", "messages": []});
    let choices =
        json!([{"index": 0, "text": "", "logprobs": null, "finish_reason": "content_filter"}]);
    assert!(ask(request, choices).await.0);
}

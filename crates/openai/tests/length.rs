//! A model that uses up its tokens before it says anything.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use ziggurat_core::{Failure, JsonBody, LlmRequest, ModelGroup, Served, json::Document};
use ziggurat_mock::{Step, Upstream};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{HttpClient, ProviderService};

const MESSAGE: &str = "Could not finish the message because max_tokens or model output limit was reached. \
                       Please try again with higher max_tokens.";

const KEY: &str = "sk-very-secret-key";

/// Asks an upstream that refuses; returns the head and the text that the client gets.
async fn ask(status: u16, message: &str, stream: bool) -> (http::response::Parts, String) {
    let error = json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}});
    let answer = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("www-authenticate", KEY)
        .header("x-echo", KEY);
    let answer = answer.body(Bytes::from(error.to_string())).unwrap();
    let upstream = Upstream::new("tokens")
        .script(Step::respond(answer))
        .start()
        .await
        .unwrap();
    let dialect = OpenAi::builder(Face::OpenAi, "gpt-5")
        .api_base(upstream.url())
        .api_key(KEY)
        .build()
        .unwrap();
    let served = Served::new("deployment-1".into(), "model", Some(dialect.api_base()));
    let service = ProviderService::new(HttpClient::new(), Arc::new(dialect), served);
    let body = json!({"model": "group", "messages": [], "stream": stream}).to_string();
    let document = Document::parse(body.into()).unwrap();
    let mut request = Request::new(JsonBody::new(document.clone()));
    request
        .extensions_mut()
        .insert(LlmRequest::new("group", stream, document));
    request.extensions_mut().insert(ModelGroup::new("group"));
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let text = body.collect().await.unwrap().to_bytes();
    assert!(head.extensions.get::<Served>().is_some());
    assert!(!format!("{:?}", head.headers).contains(KEY));
    assert_eq!(head.headers["llm_provider-x-echo"], "[redacted]");
    (head, String::from_utf8(text.to_vec()).unwrap())
}

fn check(answer: &Value, object: &str, message: &str) {
    let choice = json!({"index": 0, message: {"role": "assistant", "content": ""}, "finish_reason": "length"});
    assert_eq!(
        (&answer["object"], &answer["model"]),
        (&json!(object), &json!("group"))
    );
    assert_eq!(answer["choices"], json!([choice]));
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(answer["created"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn an_answer_without_a_word_ends_with_its_length() {
    let (head, text) = ask(400, MESSAGE, false).await;
    assert_eq!(
        (head.status.as_u16(), &head.headers["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    assert!(head.extensions.get::<Failure>().is_none());
    check(
        &serde_json::from_str(&text).unwrap(),
        "chat.completion",
        "message",
    );
}

#[tokio::test]
async fn a_stream_without_a_word_is_a_stream() {
    let (head, text) = ask(400, MESSAGE, true).await;
    assert_eq!(head.status.as_u16(), 200);
    assert_eq!(
        head.headers["content-type"],
        "text/event-stream; charset=utf-8"
    );
    assert!(head.extensions.get::<Failure>().is_none());
    let (chunk, rest) = text
        .strip_prefix("data: ")
        .unwrap()
        .split_once("\n\n")
        .unwrap();
    check(
        &serde_json::from_str(chunk).unwrap(),
        "chat.completion.chunk",
        "delta",
    );
    assert_eq!(rest, "data: [DONE]\n\n");
}

#[tokio::test]
async fn other_errors_stay_errors() {
    let quoted = format!("Invalid value: '{MESSAGE}'");
    for (status, message) in [
        (400, "max_tokens is too large"),
        (400, &*quoted),
        (500, MESSAGE),
    ] {
        let (head, text) = ask(status, message, false).await;
        assert_eq!(head.status.as_u16(), status);
        assert!(head.extensions.get::<Failure>().is_some());
        assert!(text.contains(message));
    }
}

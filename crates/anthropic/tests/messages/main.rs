//! Anthropic's Messages API in front of a dialect that speaks OpenAI's chat format.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod answer;
mod request;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri, response::Parts};
use serde_json::Value;
use ziggurat_anthropic::Messages;
use ziggurat_core::{
    Failure, FailureKind, JsonBody, Operation,
    json::{Document, Printed},
};
use ziggurat_provider::{Answer, Call, Dialect, Exchange, Outgoing, Streamed};

/// Sends requests for chat as they are, and hands out answers as they come.
#[derive(Debug)]
struct Chat;

struct Passing {
    stream: bool,
    /// What of the stream has come.
    seen: Vec<u8>,
}

impl Dialect for Chat {
    fn provider(&self) -> &'static str {
        "test"
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        assert_eq!(call.operation(), Operation::Chat);
        let mut request = Request::new(call.body().print());
        *request.uri_mut() = Uri::from_static("http://h/chat/completions");
        let exchange = Box::new(Passing {
            stream: call.stream(),
            seen: Vec::new(),
        });
        Ok(Outgoing { request, exchange })
    }
}

impl Exchange for Passing {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        Answer::of(head, self.stream)
    }

    fn refused(&mut self, _: &Parts, _: &mut Bytes) -> Failure {
        FailureKind::Server.into()
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        Ok(body.into())
    }

    fn chunk(&mut self, data: Bytes) -> Streamed {
        self.seen.extend_from_slice(&data);
        let end = self.seen.ends_with(b"data: [DONE]\n\n").then_some(Ok(()));
        Streamed { data, end }
    }

    fn end(&mut self, broken: Option<Failure>) -> Streamed {
        let failure = broken.unwrap_or_else(|| FailureKind::Disconnected.into());
        Streamed {
            data: Bytes::new(),
            end: Some(Err(failure)),
        }
    }
}

fn prepare(messages: &Messages, body: &Value) -> Result<Outgoing, Failure> {
    messages.prepare(Call::new(&request(body), &[]))
}

fn request(body: &Value) -> Request<JsonBody> {
    let document = Document::parse(body.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document));
    request.extensions_mut().insert(Operation::Messages);
    request
}

fn messages() -> Messages {
    Messages::new(Arc::new(Chat))
}

fn exchange() -> Box<dyn Exchange> {
    let body = serde_json::json!({"model": "m", "messages": []});
    prepare(&messages(), &body).unwrap().exchange
}

#[test]
fn it_speaks_what_the_inner_dialect_does_and_messages() {
    let spoken = Operation::ALL.map(|operation| messages().speaks(operation));
    assert_eq!(spoken, [true, false, false, false, true, false]);
    let counting = messages().counter(Arc::new(|_, _| Some(1)));
    assert!(counting.speaks(Operation::CountTokens));
}

/// Takes messages of one model as they are.
#[derive(Debug)]
struct Choosy;

impl Dialect for Choosy {
    fn provider(&self) -> &'static str {
        "test"
    }

    fn speaks(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Chat | Operation::Messages)
    }

    fn takes(&self, call: Call<'_>) -> bool {
        call.body().get("model") == Some(br#""own""#)
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let path = match call.operation() {
            Operation::Messages => "http://h/messages",
            _ => "http://h/chat",
        };
        let mut request = Request::new(call.body().print());
        *request.uri_mut() = Uri::from_static(path);
        let exchange = Box::new(Passing {
            stream: call.stream(),
            seen: Vec::new(),
        });
        Ok(Outgoing { request, exchange })
    }
}

#[test]
fn what_the_inner_dialect_does_not_take_is_translated_for_it() {
    let messages = Messages::new(Arc::new(Choosy));
    for (model, path, system) in [("own", "/messages", true), ("other", "/chat", false)] {
        let body = serde_json::json!({"model": model, "system": "Be terse.", "messages": []});
        let sent = prepare(&messages, &body).unwrap().request;
        assert_eq!(sent.uri().path(), path);
        let sent: Value = serde_json::from_slice(&sent.into_body().into_bytes()).unwrap();
        assert_eq!(sent.get("system").is_some(), system, "{sent}");
    }
}

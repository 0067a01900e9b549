//! Translation, by provider: a request, a plain response, an event of a stream. Nothing is sent.

mod answers;
mod settings;

use std::{
    fmt::Write,
    hint::black_box,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderName, Request};
use http_body::Body;
use ziggurat_core::{
    JsonBody, LlmRequest,
    json::{Document, Printed},
};
use ziggurat_provider::{Authorized, Call, Dialect, Outgoing};

use self::settings::{anthropic, azure, bedrock, openai, vertex, watsonx};
use super::Row;
use crate::round::Round;

const NO_HEADERS: &[HeaderName] = &[];

/// The rows of a provider.
macro_rules! provider {
    ($name:ident) => {
        [
            Row::new(concat!(stringify!($name), ", request of 1 KB"), || {
                requests(&$name(), 1024)
            })
            .over(""),
            Row::new(concat!(stringify!($name), ", request of 200 KB"), || {
                requests(&$name(), 200 * 1024)
            })
            .over("")
            .long(),
            Row::new(concat!(stringify!($name), ", call unanswered"), || {
                plain(&$name(), None)
            })
            .base(),
            Row::new(concat!(stringify!($name), ", plain response"), || {
                plain(&$name(), Some(answers::$name::plain()))
            })
            .over(concat!(stringify!($name), ", call unanswered")),
            Row::new(concat!(stringify!($name), ", one event"), || {
                events(&$name(), answers::$name::start(), answers::$name::event())
            })
            .over(""),
        ]
    };
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(provider!(openai));
    rows.extend(provider!(azure));
    rows.extend(provider!(anthropic));
    rows.extend(provider!(bedrock));
    rows.extend([
        Row::new("bedrock, unsigned 1 KB", || signatures(1024, false)).base(),
        Row::new("bedrock, signature of 1 KB", || signatures(1024, true))
            .over("bedrock, unsigned 1 KB"),
        Row::new("bedrock, signature of 200 KB", || {
            signatures(200 * 1024, true)
        })
        .over("bedrock, unsigned 1 KB")
        .long(),
    ]);
    rows.extend(provider!(vertex));
    rows.extend(provider!(watsonx));
    rows
}

/// A conversation of some length with what has to be escaped in it, as the edge hands it on. All providers get the same.
fn conversation(len: usize, stream: bool) -> Request<JsonBody> {
    // Short turns in a short one: six; in a long one 40.
    let turn = (len / 40).max(150);
    let mut text = String::new();
    for (i, word) in ["\\\"names\\\"", "l\\u00e4ngst", "Grüße", "of\\n"]
        .iter()
        .cycle()
        .enumerate()
    {
        if text.len() >= turn {
            break;
        }
        write!(text, "Keep the {i} {word} people in the text. ").expect("a string takes all");
    }
    let mut messages =
        String::from(r#"{"role":"system","content":"You are a helpful assistant."}"#);
    let mut user = true;
    while messages.len() < len - 100 {
        let role = if user { "user" } else { "assistant" };
        write!(messages, r#",{{"role":"{role}","content":"{text}"}}"#).expect("a string takes all");
        user = !user;
    }
    // The last word is the client's.
    if user {
        messages.push_str(r#",{"role":"user","content":"Go on."}"#);
    }
    let body = format!(
        r#"{{"model":"zephyr","messages":[{messages}],"temperature":0.7,"max_tokens":256,"stream":{stream}}}"#
    );
    let document = Document::parse(body.into()).expect("it is JSON");
    let mut request = Request::new(JsonBody::new(document.clone()));
    request
        .extensions_mut()
        .insert(LlmRequest::new("zephyr", stream, document));
    request
}

fn prepare(dialect: &dyn Dialect, request: &Request<JsonBody>) -> Outgoing {
    let call = Call::new(black_box(request), NO_HEADERS);
    dialect.prepare(call).expect("the request can be made")
}

/// A round is a request: made, and its body written out.
fn requests<D: Dialect + Clone>(dialect: &D, len: usize) -> Round {
    let (dialect, request) = (dialect.clone(), conversation(len, false));
    Box::new(move || {
        let outgoing = prepare(&dialect, &request);
        let mut body = outgoing.request.into_body();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut cx) {
            drop(black_box(frame));
        }
    })
}

/// A round is a short call, with or without the reading of its answer.
fn plain<D: Dialect + Clone>(dialect: &D, answer: Option<Bytes>) -> Round {
    let (dialect, request) = (dialect.clone(), conversation(200, false));
    Box::new(move || {
        let mut outgoing = prepare(&dialect, &request);
        if let Some(answer) = &answer {
            let read = outgoing.exchange.plain(black_box(answer.clone()));
            drop(black_box(read.expect("it is an answer")));
        }
    })
}

/// A round is one more event of a stream that does not end, in a frame of its own.
fn events<D: Dialect + Clone>(dialect: &D, start: Bytes, event: Bytes) -> Round {
    let mut exchange = prepare(dialect, &conversation(200, true)).exchange;
    exchange.chunk(start);
    Box::new(move || {
        let streamed = black_box(exchange.chunk(black_box(event.clone())));
        assert!(streamed.end.is_none(), "the stream ended");
        assert!(!streamed.data.is_empty(), "nothing was said");
    })
}

/// A round is a copy of a request, perhaps signed.
fn signatures(len: usize, signed: bool) -> Round {
    let dialect = bedrock();
    let Outgoing { request, .. } = prepare(&dialect, &conversation(len, false));
    let request: Request<Printed> = request;
    Box::new(move || {
        let request = black_box(request.clone());
        if !signed {
            return;
        }
        let Authorized::Now(request) = dialect.authorize(request) else {
            panic!("the keys are at hand");
        };
        drop(black_box(request));
    })
}

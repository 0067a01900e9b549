use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat::{
    core::{
        Failure, FailureKind, JsonBody, LlmRequest, ModelGroup, Operation, fallbacks::Table,
        json::Document,
    },
    fallback::{FallbackLayer, StreamRecovery},
};

use crate::reader::cut;

/// Between two streams.
const THEN: &[u8] = b"\n%%\n";

/// What is made of an event beside what came: an id, a time.
const BESIDE: usize = 4 * 1024;

/// Streams of which all but the last break, one after the other: however they are cut, the same comes out up to a failure, and
/// no more than came.
pub fn recovery(bytes: &[u8]) {
    let mut streams = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(THEN.len()).position(|part| part == THEN)
        && streams.len() < 3
    {
        streams.push(&rest[..at]);
        rest = &rest[at + THEN.len()..];
    }
    streams.push(rest);
    for operation in [Operation::Chat, Operation::Messages, Operation::Responses] {
        for recovery in [StreamRecovery::Restart, StreamRecovery::Continue] {
            recovered(operation, recovery, &streams, bytes.len());
        }
    }
}

fn recovered(operation: Operation, recovery: StreamRecovery, streams: &[&[u8]], length: usize) {
    let whole = play(operation, recovery, streams, |stream| {
        vec![Bytes::copy_from_slice(stream)]
    });
    let pieces = play(operation, recovery, streams, |stream| {
        cut(stream).map(Bytes::copy_from_slice).collect()
    });
    assert_eq!(whole.1, pieces.1, "whole and in pieces");
    // Of a piece in which an answer turns out to be another one nothing goes out.
    let alike = match whole.1 {
        Ok(()) => whole.0 == pieces.0,
        Err(_) => pieces.0.starts_with(&whole.0),
    };
    assert!(alike, "whole and in pieces");
    // Ids that the client knows stand in place of shorter ones.
    let times = match operation {
        Operation::Responses => 64,
        _ => 4,
    };
    assert!(
        whole.0.len() <= BESIDE + times * length,
        "{} of {length}",
        whole.0.len(),
    );
}

/// A body that may break at its end.
struct Stream {
    pieces: VecDeque<Bytes>,
    breaks: bool,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        Poll::Ready(match self.pieces.pop_front() {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None if std::mem::take(&mut self.breaks) => Some(Err(FailureKind::Disconnected.into())),
            None => None,
        })
    }
}

/// What comes out, and how it ends.
fn play(
    operation: Operation,
    recovery: StreamRecovery,
    streams: &[&[u8]],
    pieces: impl Fn(&[u8]) -> Vec<Bytes>,
) -> (Vec<u8>, Result<(), FailureKind>) {
    let last = streams.len() - 1;
    let bodies = streams.iter().enumerate().map(|(n, stream)| Stream {
        pieces: pieces(stream).into(),
        breaks: n < last,
    });
    let bodies: Mutex<VecDeque<Stream>> = Mutex::new(bodies.collect());
    let service = service_fn(|_: Request<JsonBody>| {
        let body = bodies.lock().expect("nobody panics with it").pop_front();
        let body = body.unwrap_or(Stream {
            pieces: VecDeque::new(),
            breaks: true,
        });
        let head = Response::builder().header(CONTENT_TYPE, "text/event-stream");
        let response = head.body(body).expect("a head");
        async { Ok::<_, Infallible>(response) }
    });
    let table: Table = [("a", ["b", "c", "d"])].into_iter().collect();
    let layer = FallbackLayer::new(table)
        .stream_recovery(recovery)
        .prefill(|group| group.as_str() != "c");
    let response = layer
        .layer(service)
        .oneshot(request(operation))
        .now_or_never();
    let Ok(response) = response.expect("all is at hand") else {
        return (Vec::new(), Err(FailureKind::Disconnected));
    };
    let mut body = response.into_body();
    let mut out = Vec::new();
    loop {
        match body.frame().now_or_never().expect("all is at hand") {
            Some(Ok(frame)) => out.extend(frame.into_data().unwrap_or_default()),
            Some(Err(failure)) => return (out, Err(failure.kind())),
            None => return (out, Ok(())),
        }
    }
}

fn request(operation: Operation) -> Request<JsonBody> {
    let body = r#"{"model":"a","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let document = Document::parse(body.into()).expect("an object");
    let mut request = Request::new(JsonBody::new(document.clone()));
    request
        .extensions_mut()
        .insert(LlmRequest::new("a", true, document));
    request.extensions_mut().insert(ModelGroup::new("a"));
    request.extensions_mut().insert(operation);
    request
}

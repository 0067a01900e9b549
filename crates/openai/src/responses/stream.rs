//! Passing a stream of events on.

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use serde_json::value::RawValue;
use ziggurat_core::{
    Failure, FailureKind, JsonBody,
    json::{Document, Value},
};
use ziggurat_provider::{
    events::{self, End},
    sse::{DONE, Event},
};

use super::exchange::Context;
use crate::chunk::says_error;

/// What the names of events begin with that bring pieces of the answer: they are passed on as long as they
/// can be read.
const PIECES: [&[u8]; 6] = [
    b"response.audio",
    b"response.function_call_arguments",
    b"response.output_text",
    b"response.reasoning",
    b"response.refusal",
    b"response.mcp_call_arguments",
];

/// Passes the events of a stream on.
pub(super) struct Reader(pub(super) Arc<Context>);

impl events::Reader for Reader {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> End {
        read(&self.0, event, out)
    }

    fn unreadable(&self) -> Failure {
        unreadable(&self.0)
    }
}

fn unreadable(context: &Context) -> Failure {
    context.invalid("the upstream's stream has an unreadable event")
}

/// Reads an event and passes it on.
fn read(context: &Context, event: Event<'_>, out: &mut Vec<u8>) -> End {
    let unreadable = || Some(Err(unreadable(context)));
    if event.is_damaged() || std::str::from_utf8(event.raw()).is_err() {
        return unreadable();
    }
    let brings_piece = |name: &[u8]| PIECES.iter().any(|piece| name.starts_with(piece));
    let Some(data) = event.data().filter(|data| !data.is_empty()) else {
        out.put_slice(event.raw());
        return None;
    };
    if event.name().is_some_and(brings_piece) {
        if serde_json::from_slice::<&RawValue>(&data).is_err() {
            return unreadable();
        }
        out.put_slice(event.raw());
        return None;
    }
    if data.trim_ascii() == DONE {
        // An end of another format, which says nothing here.
        return None;
    }
    let is_error = event.name() == Some(b"error");
    let Ok(document) = Document::parse(Bytes::copy_from_slice(&data)) else {
        return match is_error {
            true => Some(Err(context.error(b"{}"))),
            false => unreadable(),
        };
    };
    let kind = document.get("type").and_then(Value::as_str);
    let kind = kind.unwrap_or_default();
    if kind != "response.failed" && (is_error || says_error(&document)) {
        // The error is the event itself, or a member of it.
        let error = document.get("error").filter(|error| !error.is_null());
        return Some(Err(match error {
            Some(error) => context.error(error.as_bytes()),
            None => context.whole_error(&data),
        }));
    }
    // Every event of this API says its type.
    if kind.is_empty() && event.name().is_none() {
        return unreadable();
    }
    let response = document
        .get("response")
        .filter(|it| it.text().starts_with('{'));
    let Some(response) = response else {
        out.put_slice(event.raw());
        return None;
    };
    let Ok(response) = Document::parse(Bytes::copy_from_slice(response.as_bytes())) else {
        return unreadable();
    };
    let before = response.raw().clone();
    let response = match context.read(response) {
        Ok(response) => response.to_bytes(),
        Err(failure) => return Some(Err(failure)),
    };
    let end = matches!(&*kind, "response.completed" | "response.incomplete").then_some(Ok(()));
    if kind == "response.failed" {
        let failure = Failure::new(FailureKind::Server).with_message("the response failed");
        return Some(Err(failure));
    }
    if response == before {
        out.put_slice(event.raw());
    } else {
        let name = kind.into_owned();
        let mut whole = JsonBody::new(document);
        whole.set("response", response);
        out.put_slice(b"event: ");
        out.put_slice(name.as_bytes());
        out.put_slice(b"\ndata: ");
        // A line break between the tokens of JSON would end the line of the event.
        let line = whole.to_bytes();
        out.extend(line.iter().map(|&b| if b == b'\n' { b' ' } else { b }));
        out.put_slice(b"\n\n");
    }
    end
}

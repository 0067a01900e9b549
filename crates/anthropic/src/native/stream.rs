//! Passing a stream of events on.

use std::{borrow::Cow, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::{Failure, FailureKind, JsonBody, json::Document};
use ziggurat_provider::{
    Streamed,
    sse::{self, Splitter},
};

use super::exchange::Context;
use crate::{failure::Wire, template::invalid, usage::Usage};

/// The events of a stream.
pub(super) struct Events {
    splitter: Splitter,
    reader: Reader,
    /// Set once the stream was ended; nothing comes after it.
    over: bool,
}

/// What is known of a stream while it is read.
struct Reader {
    context: Arc<Context>,
    began: bool,
    usage: Usage,
}

/// What an event means for its stream; `None` that it goes on.
type End = Option<Result<(), Failure>>;

/// What of an event is looked at.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

// === impl Events ===

impl Events {
    pub(super) fn new(context: Arc<Context>) -> Self {
        let reader = Reader {
            context,
            began: false,
            usage: Usage::default(),
        };
        Self {
            splitter: Splitter::new(),
            reader,
            over: false,
        }
    }

    pub(super) fn chunk(&mut self, data: Bytes) -> Streamed {
        let mut out = BytesMut::with_capacity(data.len());
        self.splitter.push(data);
        let end = loop {
            match self.splitter.next_event() {
                Ok(Some(event)) => {
                    if let Some(end) = self.reader.event(event, &mut out) {
                        break Some(end);
                    }
                }
                Ok(None) => break None,
                Err(too_long) => {
                    let failure = Failure::new(FailureKind::InvalidResponse).with_source(too_long);
                    break Some(Err(failure));
                }
            }
        };
        self.over |= end.is_some();
        let data = out.freeze();
        Streamed { data, end }
    }

    pub(super) fn end(&mut self, broken: Option<Failure>) -> Streamed {
        let mut out = BytesMut::new();
        // The last event may lack its blank line; half of one says nothing.
        let last = self
            .splitter
            .rest()
            .filter(|_| broken.is_none() && !self.over);
        let last = last.filter(|event| {
            let data = event.data().unwrap_or_default();
            serde_json::from_slice::<&RawValue>(&data).is_ok()
        });
        let end = last.and_then(|event| {
            let end = self.reader.event(event, &mut out);
            if !out.is_empty() && !out.ends_with(b"\n\n") {
                out.put_slice(b"\n\n");
            }
            end
        });
        let end = end.unwrap_or_else(|| {
            Err(broken.unwrap_or_else(|| Failure::new(FailureKind::Disconnected)))
        });
        self.over = true;
        let data = out.freeze();
        Streamed {
            data,
            end: Some(end),
        }
    }
}

// === impl Reader ===

impl Reader {
    fn event(&mut self, event: sse::Event<'_>, out: &mut BytesMut) -> End {
        if event.is_damaged() || std::str::from_utf8(event.raw()).is_err() {
            return Some(Err(unreadable()));
        }
        let Some(data) = event.data().filter(|data| !data.is_empty()) else {
            out.put_slice(event.raw());
            return None;
        };
        // Most events of a stream are pieces of content, and say so in their name: they are passed on as long as they can be
        // read.
        if self.began && event.name() == Some(b"content_block_delta") {
            if serde_json::from_slice::<&RawValue>(&data).is_err() {
                return Some(Err(unreadable()));
            }
            out.put_slice(event.raw());
            return None;
        }
        let is_error = event.name() == Some(b"error");
        let read: Event<'_> = match serde_json::from_slice(&data) {
            Ok(read) => read,
            Err(_) if is_error => return Some(Err(self.error(&data))),
            Err(_) => return Some(Err(unreadable())),
        };
        if is_error || read.kind == "error" {
            return Some(Err(self.error(&data)));
        }
        self.count(read.usage);
        if let (true, Some(message)) = (read.kind == "message_start", read.message) {
            return self.start(event, &data, message, out);
        }
        if read.kind == "message_stop" && !self.began {
            return Some(Err(invalid("the upstream's stream ended before it began")));
        }
        out.put_slice(event.raw());
        (read.kind == "message_stop").then_some(Ok(()))
    }

    /// Passes the first event on, with the name that answers bear.
    fn start(
        &mut self,
        event: sse::Event<'_>,
        data: &[u8],
        message: &RawValue,
        out: &mut BytesMut,
    ) -> End {
        self.began = true;
        let Ok(message) = Document::parse(Bytes::copy_from_slice(message.get().as_bytes())) else {
            return Some(Err(unreadable()));
        };
        self.count(message.get("usage").and_then(|usage| usage.decode().ok()));
        let upstream = message.get("model").map(|model| model.as_bytes());
        let model = self.context.model.as_deref();
        if model.is_none() || model == upstream {
            out.put_slice(event.raw());
            return None;
        }
        let Ok(whole) = Document::parse(Bytes::copy_from_slice(data)) else {
            return Some(Err(unreadable()));
        };
        let mut whole = JsonBody::new(whole);
        whole.set("message", self.context.named(message).to_bytes());
        out.put_slice(b"event: message_start\ndata: ");
        // A line break between the tokens of JSON would end the line of the event.
        let line = whole.to_bytes();
        out.extend(line.iter().map(|&b| if b == b'\n' { b' ' } else { b }));
        out.put_slice(b"\n\n");
        None
    }

    fn count(&mut self, usage: Option<&RawValue>) {
        if let Some(usage) = usage.and_then(|it| serde_json::from_str(it.get()).ok()) {
            self.usage.update(usage);
            self.usage.record(self.context.meter.as_ref());
        }
    }

    fn error(&self, data: &[u8]) -> Failure {
        Wire::of(data, &self.context.template.secrets).in_band()
    }
}

fn unreadable() -> Failure {
    invalid("the upstream's stream has an unreadable event")
}

//! Passing a stream of events on.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::{Failure, JsonBody, json::Document};
use ziggurat_provider::{
    events::{self, End},
    sse,
};

use super::exchange::Context;
use crate::{
    event::is_nameless,
    failure::Wire,
    template::{invalid, unreadable},
    usage::Usage,
};

/// What is known of a stream while it is read.
pub(super) struct Reader {
    context: Arc<Context>,
    began: bool,
    usage: Usage,
}

/// What of an event is looked at.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

// === impl Reader ===

impl events::Reader for Reader {
    fn event(&mut self, event: sse::Event<'_>, out: &mut Vec<u8>) -> End {
        if event.is_damaged() || std::str::from_utf8(event.raw()).is_err() {
            return Some(Err(unreadable()));
        }
        let Some(data) = event.data().filter(|data| !data.is_empty()) else {
            out.extend_from_slice(event.raw());
            return None;
        };
        // Most events of a stream are pieces of content, and say so in their name: they are passed on as long as they can be
        // read.
        if self.began && event.name() == Some(b"content_block_delta") {
            if serde_json::from_slice::<&RawValue>(&data).is_err() {
                return Some(Err(unreadable()));
            }
            out.extend_from_slice(event.raw());
            return None;
        }
        let is_error = event.name() == Some(b"error");
        let read: Event<'_> = match serde_json::from_slice(&data) {
            Ok(read) => read,
            Err(_) if is_error => return Some(Err(self.error(&data))),
            Err(_) => return Some(Err(unreadable())),
        };
        // Every event of this API says its type: an error that says none is that of a server before it.
        let is_foreign = read.kind.is_empty() && (read.error.is_some() || is_nameless(event));
        if is_error || is_foreign || read.kind == "error" {
            return Some(Err(self.error(&data)));
        }
        self.count(read.usage);
        if let (true, Some(message)) = (read.kind == "message_start", read.message) {
            return self.start(event, &data, message, out);
        }
        if read.kind == "message_stop" && !self.began {
            return Some(Err(invalid("the upstream's stream ended before it began")));
        }
        out.extend_from_slice(event.raw());
        (read.kind == "message_stop").then_some(Ok(()))
    }

    fn unreadable(&self) -> Failure {
        unreadable()
    }
}

impl Reader {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            began: false,
            usage: Usage::default(),
        }
    }

    /// Passes the first event on, with the name that answers bear.
    fn start(
        &mut self,
        event: sse::Event<'_>,
        data: &[u8],
        message: &RawValue,
        out: &mut Vec<u8>,
    ) -> End {
        self.began = true;
        let Ok(message) = Document::parse(Bytes::copy_from_slice(message.get().as_bytes())) else {
            return Some(Err(unreadable()));
        };
        self.count(message.get("usage").and_then(|usage| usage.decode().ok()));
        let upstream = message.get("model").map(|model| model.as_bytes());
        let model = self.context.model.as_deref();
        if model.is_none() || model == upstream {
            out.extend_from_slice(event.raw());
            return None;
        }
        let Ok(whole) = Document::parse(Bytes::copy_from_slice(data)) else {
            return Some(Err(unreadable()));
        };
        let mut whole = JsonBody::new(whole);
        whole.set("message", self.context.named(message).to_bytes());
        out.extend_from_slice(b"event: message_start\ndata: ");
        // A line break between the tokens of JSON would end the line of the event.
        let line = whole.to_bytes();
        out.extend(line.iter().map(|&b| if b == b'\n' { b' ' } else { b }));
        out.extend_from_slice(b"\n\n");
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

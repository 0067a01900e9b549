//! Streams, event by event into chunks.

mod blocks;

use std::sync::Arc;

use memchr::memchr2;
use serde_json::{Value, value::RawValue};
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::{
    events::{self, End},
    sse::{self, DONE_EVENT},
    usage::Counter,
};

use self::blocks::Open;
use crate::{
    event::{Event, Start, is_nameless},
    exchange::Context,
    failure::Wire,
    finish,
    template::unreadable,
    usage::Usage,
};

/// What is known of a stream while it is read.
pub(crate) struct Reader {
    context: Arc<Context>,
    /// What all chunks begin with, up to their choices.
    head: Vec<u8>,
    began: bool,
    open: Vec<Open>,
    /// How many calls of the client's tools began.
    calls: usize,
    /// How many blocks of thoughts were shown.
    thoughts: usize,
    /// How many blocks were shown that OpenAI has no words for.
    natives: usize,
    usage: Usage,
    /// Counts in place of an upstream that does not.
    counter: Counter,
    reason: Option<String>,
    /// The sequence that ended the answer.
    stop_sequence: Option<String>,
}

// === impl Reader ===

impl events::Reader for Reader {
    fn event(&mut self, event: sse::Event<'_>, out: &mut Vec<u8>) -> End {
        if event.is_damaged() {
            return Some(Err(unreadable()));
        }
        let data = event.data().filter(|data| !data.is_empty());
        let Some(data) = data else {
            // Something to keep the connection alive.
            out.extend_from_slice(b":\n\n");
            return None;
        };
        let read: Event<'_> = match serde_json::from_slice(&data) {
            Ok(read) => read,
            Err(_) if event.name() == Some(b"error") => return Some(Err(self.error(&data))),
            Err(_) => return Some(Err(unreadable())),
        };
        match &*read.kind {
            "message_start" => match read.message.map(RawValue::get).map(serde_json::from_str) {
                Some(Ok(message)) => self.start(&message),
                Some(Err(_)) => return Some(Err(unreadable())),
                None => {}
            },
            "content_block_start" => return self.open(read.index, read.content_block, out),
            "content_block_delta" => return self.delta(read.index, read.delta, out),
            "content_block_stop" => return self.close(read.index, out),
            "message_delta" => {
                if let Some(delta) = read.delta {
                    self.reason = delta.stop_reason.or(self.reason.take());
                    self.stop_sequence = delta.stop_sequence.or(self.stop_sequence.take());
                }
                self.count(read.usage);
            }
            "message_stop" => return Some(self.done(out)),
            "error" => return Some(Err(self.error(&data))),
            "ping" => out.extend_from_slice(b":\n\n"),
            _ if event.name() == Some(b"error") => return Some(Err(self.error(&data))),
            // Every event of this API says its type: an error that says none is that of a server before it.
            "" if read.error.is_some() || is_nameless(event) => {
                return Some(Err(self.error(&data)));
            }
            // Of a kind that is not known yet.
            _ => {}
        }
        None
    }

    fn unreadable(&self) -> Failure {
        unreadable()
    }
}

impl Reader {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        let counter = Counter::new(context.asked.usage);
        Self {
            context,
            head: Vec::new(),
            began: false,
            open: Vec::new(),
            calls: 0,
            thoughts: 0,
            natives: 0,
            usage: Usage::default(),
            counter,
            reason: None,
            stop_sequence: None,
        }
    }

    fn start(&mut self, message: &Start<'_>) {
        self.count(message.usage);
        if self.head.is_empty() {
            self.head = self.context.head(message.model.as_deref());
        }
    }

    fn count(&mut self, usage: Option<&RawValue>) {
        if let Some(usage) = usage.and_then(|it| serde_json::from_str(it.get()).ok()) {
            self.usage.update(usage);
            self.usage.record(self.context.meter.as_ref());
        }
    }

    /// Ends a stream whose upstream says that it is complete.
    fn done(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.head.is_empty() {
            return Err(Failure::new(FailureKind::Disconnected)
                .with_message("the upstream's stream ended before its first chunk"));
        }
        let reason = finish::openai(self.reason.as_deref().unwrap_or_default());
        let reason = match self.calls {
            0 if reason == "tool_calls" => "stop",
            1.. if reason == "stop" => "tool_calls",
            _ => reason,
        };
        let fields = self.stop_sequence.take().map(|sequence| {
            let sequence = Value::from(sequence);
            format!(r#""provider_specific_fields":{{"stop_sequence":{sequence}}}"#)
        });
        let fields = fields.unwrap_or_default();
        self.choice(&fields, &format!("\"{reason}\""), out);
        self.counter.record(self.context.meter.as_ref());
        if let Some(estimate) = self.counter.estimate() {
            self.usage.fill(estimate);
            let usage = serde_json::to_vec(&self.usage.counts(self.thoughts > 0))
                .expect("its keys are strings");
            out.extend_from_slice(&self.head);
            out.extend_from_slice(br#""choices":[],"usage":"#);
            out.extend_from_slice(&usage);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(DONE_EVENT);
        Ok(())
    }

    /// Writes a chunk with these members of a delta.
    fn write(&mut self, delta: &str, out: &mut Vec<u8>) {
        self.choice(delta, "null", out);
    }

    fn choice(&mut self, delta: &str, reason: &str, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.head = self.context.head(None);
        }
        out.extend_from_slice(&self.head);
        let mut at = out.len();
        out.extend_from_slice(br#""choices":[{"index":0,"delta":{"#);
        if !std::mem::replace(&mut self.began, true) {
            out.extend_from_slice(br#""role":"assistant""#);
            if !delta.is_empty() {
                out.push(b',');
            }
        }
        out.extend_from_slice(delta.as_bytes());
        out.extend_from_slice(br#"},"finish_reason":"#);
        out.extend_from_slice(reason.as_bytes());
        // Of several lines if the event was: but spaces between the tokens of JSON.
        while let Some(next) = memchr2(b'\n', b'\r', &out[at..]) {
            at += next;
            out[at] = b' ';
        }
        out.extend_from_slice(b"}]}\n\n");
    }

    fn error(&self, data: &[u8]) -> Failure {
        Wire::of(data, &self.context.template.secrets).in_band()
    }
}

impl Context {
    /// What the chunks of a stream begin with.
    fn head(&self, upstream: Option<&str>) -> Vec<u8> {
        let model = self.model.as_deref().or(upstream).unwrap_or_default();
        let (id, created, model) = (&self.id, self.created, Value::from(model));
        format!(
            r#"data: {{"id":"{id}","object":"chat.completion.chunk","created":{created},"model":{model},"#
        )
        .into()
    }
}

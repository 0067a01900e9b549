//! Reading a stream event by event.

use bytes::Bytes;
use serde_json::value::RawValue;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::{
    Streamed,
    sse::{self, Splitter},
};

use crate::template::invalid;

/// What an event means for its stream; `None` that it goes on.
pub(crate) type End = Option<Result<(), Failure>>;

/// What is made of the events of a stream.
pub(crate) trait Reader {
    /// Writes what an event comes to.
    fn event(&mut self, event: sse::Event<'_>, out: &mut Vec<u8>) -> End;
}

/// The events of a stream.
pub(crate) struct Events<R> {
    splitter: Splitter,
    reader: R,
    /// Set once the stream was ended; nothing comes after it.
    over: bool,
}

// === impl Events ===

impl<R: Reader> Events<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            splitter: Splitter::new(),
            reader,
            over: false,
        }
    }

    pub(crate) fn chunk(&mut self, data: Bytes) -> Streamed {
        let mut out = Vec::with_capacity(data.len());
        self.splitter.push(data);
        let end = loop {
            match self.splitter.next_event() {
                Ok(Some(event)) => {
                    if let Some(end) = self.reader.event(event, &mut out) {
                        break Some(end);
                    }
                }
                Ok(None) => break None,
                Err(too_long) => break Some(Err(unreadable().with_source(too_long))),
            }
        };
        self.over |= end.is_some();
        let data = out.into();
        Streamed { data, end }
    }

    pub(crate) fn end(&mut self, broken: Option<Failure>) -> Streamed {
        let mut out = Vec::new();
        // The last event may lack its blank line; half of one says nothing.
        let last = self
            .splitter
            .rest()
            .filter(|_| broken.is_none() && !self.over);
        let last = last.filter(|event| {
            let data = event.data().unwrap_or_default();
            serde_json::from_slice::<&RawValue>(&data).is_ok()
        });
        let end = last.and_then(|event| self.reader.event(event, &mut out));
        if !out.is_empty() && !out.ends_with(b"\n\n") {
            out.extend_from_slice(b"\n\n");
        }
        let end = end.unwrap_or_else(|| {
            Err(broken.unwrap_or_else(|| Failure::new(FailureKind::Disconnected)))
        });
        self.over = true;
        let data = out.into();
        Streamed {
            data,
            end: Some(end),
        }
    }
}

/// What an event is that cannot be read.
pub(crate) fn unreadable() -> Failure {
    invalid("the upstream's stream has an unreadable event")
}

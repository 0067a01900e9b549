//! What is added to the events of a stream.

use std::task::{Context, Poll};

use bytes::Bytes;
use memchr::memmem;
use ziggurat_core::{Failure, LateAnswer, Tried};

use crate::Ledger;

use super::{
    form::ErrorForm,
    ping::{Pings, ends_an_event},
};

/// Tells the client of a stream of failures, of what fallbacks went around, and that it still lives.
pub(super) struct Events {
    pub(super) form: ErrorForm,
    pub(super) pings: Option<Pings>,
    pub(super) detours: Option<Detours>,
    /// The number of the last event, in streams that number them.
    last: Option<u64>,
}

/// What fallbacks went around, for a client that has asked for it; known once there is an answer.
pub(super) struct Detours {
    pub(super) tried: Tried,
    pub(super) late: Option<LateAnswer>,
}

// === impl Events ===

impl Events {
    pub(super) const fn new(form: ErrorForm) -> Self {
        Self {
            form,
            pings: None,
            detours: None,
            last: None,
        }
    }

    /// Waits until it is time for a sign of life; for ever, if there are none.
    pub(super) fn poll_ping(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        match &mut self.pings {
            Some(pings) => pings.poll(cx).map(|()| self.form.ping()),
            None => Poll::Pending,
        }
    }

    /// Looks at what is passed on, and adds what is to be added.
    pub(super) fn pass(&mut self, data: Bytes) -> Bytes {
        if self.form.numbers_events() {
            self.last = sequence_number(&data).or(self.last);
        }
        if let Some(pings) = &mut self.pings {
            pings.sent(&data);
        }
        let first = self.form.begins_with_metadata();
        match self.detours.take_if(|_| first || ends_an_event(&data)) {
            None => data,
            Some(detours) => match self.form.metadata_event(&detours.failures()) {
                Some(event) if first => [event, data].concat().into(),
                Some(event) => [data, event].concat().into(),
                None => data,
            },
        }
    }

    /// Writes a failure as the end of the stream.
    pub(super) fn end(&self, failure: &Failure) -> Bytes {
        self.form.event(failure, self.last)
    }
}

// === impl Detours ===

impl Detours {
    fn failures(&self) -> Vec<Failure> {
        let own = self.late.as_ref().and_then(|late| late.get()?.get());
        own.map_or(&self.tried, |Ledger(tried)| tried).failures()
    }
}

/// The last `sequence_number` in whole events.
fn sequence_number(events: &[u8]) -> Option<u64> {
    const NAME: &[u8] = br#""sequence_number":"#;
    let rest = &events[memmem::rfind(events, NAME)? + NAME.len()..];
    let rest = rest.trim_ascii_start();
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

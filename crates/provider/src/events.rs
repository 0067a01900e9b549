//! Reading a stream event by event, for dialects whose upstreams send [server-sent events](crate::sse).

use bytes::Bytes;
use serde_json::value::RawValue;
use ziggurat_core::{Failure, FailureKind};

use crate::{
    Streamed,
    sse::{DONE, Event, Splitter},
};

/// What an event means for its stream; `None` that it goes on.
pub type End = Option<Result<(), Failure>>;

/// What is made of the events of a stream.
pub trait Reader {
    /// Writes what an event comes to.
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> End;

    /// Returns what fails a stream with an event that cannot be read.
    fn unreadable(&self) -> Failure;

    /// Writes the end of a stream whose upstream has stopped without saying that it is complete; `broken` says why, if the
    /// connection did not just end.
    ///
    /// # Errors
    ///
    /// The stream is not complete.
    fn end(&mut self, broken: Option<Failure>, _out: &mut Vec<u8>) -> Result<(), Failure> {
        Err(broken.unwrap_or_else(|| Failure::new(FailureKind::Disconnected)))
    }
}

/// The events of a stream, and who reads them.
#[derive(Debug)]
pub struct Events<R> {
    splitter: Splitter,
    reader: R,
    /// Set once the stream was ended; nothing comes after it.
    over: bool,
    /// By how many bytes the last piece became longer.
    growth: isize,
}

/// Names of groups are seldom much longer or shorter than those of models. What grows by more, such as the last piece of a
/// large event, says nothing of the next.
const MOST_GROWTH: isize = 64;

impl<R: Reader> Events<R> {
    /// Begins a stream.
    #[must_use]
    pub fn new(reader: R) -> Self {
        Self {
            splitter: Splitter::new(),
            reader,
            over: false,
            growth: 0,
        }
    }

    /// Returns who reads the events.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// Reads a piece of the stream, as [`Exchange::chunk`](crate::Exchange::chunk) does.
    pub fn chunk(&mut self, data: Bytes) -> Streamed {
        // What fills its room to the last byte becomes `Bytes` as it is, which saves each piece an allocation. Pieces of one
        // stream grow alike, as the name of a group takes the place of a model's in each.
        let mut out = Vec::with_capacity(data.len().saturating_add_signed(self.growth));
        let before = data.len();
        self.splitter.push(data);
        let end = loop {
            match self.splitter.next_event() {
                // A sign of life, which takes more than itself to pass on: one does for a piece, and what is written is one.
                Ok(Some(event)) if event.is_blank() && !out.is_empty() => {}
                Ok(Some(event)) => {
                    if let Some(end) = self.reader.event(event, &mut out) {
                        break Some(end);
                    }
                }
                Ok(None) => break None,
                Err(too_long) => break Some(Err(self.reader.unreadable().with_source(too_long))),
            }
        };
        self.over |= end.is_some();
        if !out.is_empty() {
            let growth = out.len().cast_signed() - before.cast_signed();
            self.growth = growth.clamp(-MOST_GROWTH, MOST_GROWTH);
        }
        let data = out.into();
        Streamed { data, end }
    }

    /// Ends the stream, as [`Exchange::end`](crate::Exchange::end) does. Its last event may lack the blank line.
    pub fn end(&mut self, broken: Option<Failure>) -> Streamed {
        let mut out = Vec::new();
        let last = self.splitter.rest();
        let last = last.filter(|event| broken.is_none() && !self.over && is_whole(*event));
        let end = last.and_then(|event| self.reader.event(event, &mut out));
        if !out.is_empty() && !out.ends_with(b"\n\n") {
            out.extend_from_slice(b"\n\n");
        }
        let end = end.unwrap_or_else(|| self.reader.end(broken, &mut out));
        self.over = true;
        let data = out.into();
        Streamed {
            data,
            end: Some(end),
        }
    }
}

/// Whether the last event of a body is whole, though its blank line is missing: half of one says nothing.
fn is_whole(event: Event<'_>) -> bool {
    event.data().is_some_and(|data| {
        data.trim_ascii() == DONE
            || event.name() == Some(b"error")
            || serde_json::from_slice::<&RawValue>(&data).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes events on, with a comment for those without data.
    struct Passing;

    impl Reader for Passing {
        fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> End {
            match event.data() {
                Some(_) => out.extend_from_slice(event.raw()),
                None => out.extend_from_slice(b":\n\n"),
            }
            None
        }

        fn unreadable(&self) -> Failure {
            Failure::new(FailureKind::InvalidResponse)
        }
    }

    #[test]
    fn blank_lines_are_no_more_than_a_sign_of_life() {
        let mut events = Events::new(Passing);
        for end in ["\n", "\r", "\r\n"] {
            for count in [1, 2, 1000] {
                let streamed = events.chunk(end.repeat(count).into());
                assert_eq!(&streamed.data[..], b":\n\n", "{count} times {end:?}");
                // What the last CR has left.
                events.chunk("\n".into());
            }
        }
        let mut events = Events::new(Passing);
        let streamed = events.chunk("data: 1\n\n\n\r\n\ndata: 2\n\n\n: 3\n\n\n".into());
        assert_eq!(&streamed.data[..], b"data: 1\n\ndata: 2\n\n:\n\n");
    }
}

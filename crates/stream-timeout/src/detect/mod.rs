//! What counts as content.

mod chunk;
mod events;

use std::sync::Arc;

use http::HeaderMap;
use ziggurat_core::Head;

use self::events::Events;
use crate::limits::is_event_stream;

/// Makes a scanner for each streamed response.
///
/// It is cloned for each call: one with data of its own goes into an [`Arc`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell content from what comes before it",
    label = "does not implement `Detect`",
    note = "`ziggurat_stream_timeout::ByContentType` is the ready-made one"
)]
pub trait Detect {
    /// Looks for the first content of one response.
    type Scan: Scan;

    /// Begins with a response.
    fn scan(&self, head: Head<'_>) -> Self::Scan;
}

/// Looks for the first content of one response. It is not asked any more once it has found something.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot look for the first content of a response",
    label = "does not implement `Scan`",
    note = "implement `Scan::read`, or take the scanner of `ziggurat_stream_timeout::ByContentType`"
)]
pub trait Scan {
    /// Reads the next bytes of the body. They may end anywhere.
    fn read(&mut self, bytes: &[u8]) -> Found;

    /// Reads trailers, after which nothing comes. By default they are no content.
    fn trailers(&mut self, trailers: &HeaderMap) -> Found {
        let _ = trailers;
        Found::Nothing
    }
}

/// What a [`Scan`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// No content yet: the response is held on.
    Nothing,
    /// Content, or anything else that the client should see now.
    Content,
    /// The end of an answer that the provider kept back because of its content.
    Filtered,
}

/// The default. In a `text/event-stream` it looks for the first event with content; in any other body, the first byte
/// or the trailers are content.
///
/// Of an event in OpenAI's format, content is: text, reasoning, a refusal, a tool call, audio, a finish reason, an
/// error. `[DONE]` ends the wait as well. The events with which Anthropic's format and OpenAI's Responses begin
/// (`message_start`, `ping`, an empty block or piece of text; `response.created`, `response.queued`, …) are no content;
/// any other event with data is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByContentType;

/// The scanner of [`ByContentType`].
#[derive(Debug)]
pub struct ContentScan {
    /// `None` if the body is of another type.
    events: Option<Events>,
}

// === impl Detect ===

impl<D: Detect + ?Sized> Detect for &D {
    type Scan = D::Scan;

    fn scan(&self, head: Head<'_>) -> Self::Scan {
        (**self).scan(head)
    }
}

impl<D: Detect + ?Sized> Detect for Arc<D> {
    type Scan = D::Scan;

    fn scan(&self, head: Head<'_>) -> Self::Scan {
        (**self).scan(head)
    }
}

impl Detect for ByContentType {
    type Scan = ContentScan;

    fn scan(&self, head: Head<'_>) -> ContentScan {
        ContentScan {
            events: is_event_stream(head.headers).then(Events::default),
        }
    }
}

// === impl ContentScan ===

impl Scan for ContentScan {
    fn read(&mut self, bytes: &[u8]) -> Found {
        match &mut self.events {
            Some(events) => events.read(bytes),
            None if bytes.is_empty() => Found::Nothing,
            None => Found::Content,
        }
    }

    fn trailers(&mut self, _: &HeaderMap) -> Found {
        match self.events {
            Some(_) => Found::Nothing,
            // They may be all that there is, as in gRPC; whoever reads them judges.
            None => Found::Content,
        }
    }
}

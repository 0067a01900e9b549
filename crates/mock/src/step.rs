use std::{num::NonZeroUsize, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use crate::{Answer, ApiError, Event};

/// What an upstream does with one request.
///
/// A constructor says what is sent, the methods say how: when, in which pieces, and where it breaks off.
#[derive(Clone, Debug)]
#[must_use]
pub struct Step {
    pub(crate) act: Act,
    pub(crate) pace: Pace,
    pub(crate) headers: HeaderMap,
    pub(crate) cut: Option<(usize, Cut)>,
    pub(crate) then_close: bool,
}

/// When the bytes of a response go out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    pub(crate) before_head: Duration,
    pub(crate) before_body: Duration,
    pub(crate) interval: Duration,
    pub(crate) trickle: Option<NonZeroUsize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Answer(Answer),
    Error(ApiError),
    Respond(Response<Bytes>),
    Events(Vec<Event>),
    Garbage(Bytes),
    EndlessHead(Duration),
    Reset,
    Hang,
}

/// How a response ends before it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// Ends the body as if it were complete: to HTTP nothing is wrong.
    Eof,
    /// Closes the connection; what was promised is never delivered.
    Close,
    /// Resets the connection (TCP RST).
    Reset,
    /// Sends nothing more and leaves the connection open.
    Hang,
}

impl Step {
    fn new(act: Act) -> Self {
        Self {
            act,
            pace: Pace::default(),
            headers: HeaderMap::new(),
            cut: None,
            then_close: false,
        }
    }

    /// Answers as a model does.
    ///
    /// The path decides on the form: `…/chat/completions`, `…/completions`, Anthropic's `…/v1/messages` (all also as
    /// streams), `…/embeddings` and `GET …/models`; anything before that suffix is accepted. Other paths get 404, bodies that
    /// are not JSON get 400. The answer names the model that was asked for.
    pub fn answer(answer: impl Into<Answer>) -> Self {
        Self::new(Act::Answer(answer.into()))
    }

    /// Answers `hello from <name of the upstream>`.
    pub fn hello() -> Self {
        Self::answer(Answer::hello())
    }

    /// Answers with an error in OpenAI's form.
    pub fn error(error: impl Into<ApiError>) -> Self {
        Self::new(Act::Error(error.into()))
    }

    /// Answers with exactly this status, these headers and this body.
    ///
    /// The version is always HTTP/1.1. `content-length` is added unless the response itself has that header or
    /// `transfer-encoding`; then the body goes out as it is, and may contradict its header.
    pub fn respond(response: Response<impl Into<Bytes>>) -> Self {
        Self::new(Act::Respond(response.map(Into::into)))
    }

    /// Answers with an event stream of exactly these pieces.
    pub fn events(events: impl IntoIterator<Item = Event>) -> Self {
        Self::new(Act::Events(events.into_iter().collect()))
    }

    /// Writes bytes that need not be HTTP at all, then closes the connection.
    pub fn garbage(bytes: impl Into<Bytes>) -> Self {
        Self::new(Act::Garbage(bytes.into()))
    }

    /// Sends a response head that never ends, one header per `interval`.
    pub fn endless_head(interval: Duration) -> Self {
        Self::new(Act::EndlessHead(interval))
    }

    /// Resets the connection (TCP RST) instead of an answer.
    pub fn reset() -> Self {
        Self::new(Act::Reset)
    }

    /// Never answers; ends when the client leaves.
    pub fn hang() -> Self {
        Self::new(Act::Hang)
    }

    /// Waits before anything is sent.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.pace.before_head = delay;
        self
    }

    /// Waits between the head and the first byte of the body, for streams: before the first chunk.
    pub fn body_delay(mut self, delay: Duration) -> Self {
        self.pace.before_body = delay;
        self
    }

    /// Waits between one piece of the body and the next: the events of a stream, or the pieces of
    /// [`trickle`](Self::trickle).
    pub fn interval(mut self, interval: Duration) -> Self {
        self.pace.interval = interval;
        self
    }

    /// Splits the body into pieces of this many bytes, wherever that cuts.
    pub fn trickle(mut self, bytes: NonZeroUsize) -> Self {
        self.pace.trickle = Some(bytes);
        self
    }

    /// Breaks the body off after `count` events of a stream, or `count` bytes of a plain body.
    ///
    /// Zero breaks off right after the head. A body that ends sooner is complete.
    pub fn cut_after(mut self, count: usize, cut: Cut) -> Self {
        self.cut = Some((count, cut));
        self
    }

    /// Closes the connection after the response without having announced it, as an idle timeout would.
    pub fn then_close(mut self) -> Self {
        self.then_close = true;
        self
    }

    /// Sets a header of the response, in place of one of that name.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets `retry-after`, in whole seconds, rounded up.
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }
}

impl Default for Step {
    fn default() -> Self {
        Self::hello()
    }
}

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use memchr::memmem;
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, Failure};

use super::{form::ErrorForm, ping::Pings};

pin_project! {
    /// The body of a response: the inner one, or an error that was written here.
    ///
    /// If an event stream breaks after its head was sent, one error event takes the place of what is missing, in OpenAI's
    /// chat and completions with `[DONE]` after it.
    /// A plain body that breaks ends with the error, and with it the connection: a client must not take half for the whole.
    pub struct ResponseBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwn]
    enum State<B> {
        Inner { #[pin] body: B, events: Option<Told>, before: Option<Bytes>, pings: Option<Pings> },
        Written { text: Bytes },
        Done,
    }
}

/// How a stream tells its client of a failure.
struct Told {
    form: ErrorForm,
    /// The number of the last event, in streams that number them.
    last: Option<u64>,
}

impl Told {
    fn hear(&mut self, data: &[u8]) {
        if self.form.numbers_events() {
            self.last = sequence_number(data).or(self.last);
        }
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

impl<B> ResponseBody<B> {
    pub(super) fn inner(body: B) -> Self {
        Self {
            state: State::Inner {
                body,
                events: None,
                before: None,
                pings: None,
            },
        }
    }

    /// The same for an event stream, which tells its client of failures, begins with an event of ours if there is one, and
    /// gives signs of life.
    pub(super) fn events(
        body: B,
        form: ErrorForm,
        before: Option<Bytes>,
        pings: Option<Pings>,
    ) -> Self {
        Self {
            state: State::Inner {
                body,
                events: Some(Told { form, last: None }),
                before,
                pings,
            },
        }
    }

    pub(super) fn written(text: Bytes) -> Self {
        Self {
            state: State::Written { text },
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("respond::ResponseBody")
            .finish_non_exhaustive()
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let mut state = self.project().state;
        match state.as_mut().project() {
            StateProj::Done => Poll::Ready(None),
            StateProj::Written { text } => {
                let text = std::mem::take(text);
                state.set(State::Done);
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            StateProj::Inner {
                before: before @ Some(_),
                ..
            } => Poll::Ready(before.take().map(|text| Ok(Frame::data(text)))),
            StateProj::Inner {
                body,
                events,
                pings,
                ..
            } => match (body.poll_frame(cx), pings) {
                (Poll::Pending, Some(pings)) => {
                    let ping = ready!(pings.poll(cx));
                    Poll::Ready(Some(Ok(Frame::data(ping))))
                }
                (Poll::Pending, None) => Poll::Pending,
                (Poll::Ready(Some(Ok(frame))), pings) => {
                    let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                    if let (Some(told), Some(data)) = (events, frame.data_ref()) {
                        told.hear(data);
                    }
                    if let (Some(pings), Some(data)) = (pings, frame.data_ref()) {
                        pings.sent(data);
                    }
                    Poll::Ready(Some(Ok(frame)))
                }
                (Poll::Ready(Some(Err(error))), _) => {
                    let failure = Failure::wrap(error);
                    let events = events.take();
                    tracing::warn!(
                        target: "ziggurat::respond",
                        deployment = failure.deployment().map(|id| id.as_str()),
                        "error.type" = failure.kind().as_str(),
                        "a response broke after it had begun"
                    );
                    // The inner body goes at once, and with it the connection to the upstream.
                    state.set(State::Done);
                    Poll::Ready(Some(match events {
                        Some(Told { form, last }) => Ok(Frame::data(form.event(&failure, last))),
                        None => Err(failure),
                    }))
                }
                (Poll::Ready(None), _) => {
                    state.set(State::Done);
                    Poll::Ready(None)
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Done => true,
            State::Written { text } => text.is_empty(),
            State::Inner { body, before, .. } => before.is_none() && body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Done => SizeHint::with_exact(0),
            State::Written { text } => SizeHint::with_exact(text.len() as u64),
            State::Inner {
                body, events: None, ..
            } => body.size_hint(),
            // An error event may be added to what the inner body promises.
            State::Inner { body, before, .. } => match before.is_none() && body.is_end_stream() {
                true => SizeHint::with_exact(0),
                false => SizeHint::default(),
            },
        }
    }
}

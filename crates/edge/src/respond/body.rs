use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, Failure};

use super::events::Events;

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
    enum State<B> {
        // Boxed, so that plain bodies are small to move.
        Inner { #[pin] body: B, events: Option<Box<Events>> },
        Written { text: Bytes },
        Done,
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn inner(body: B) -> Self {
        let events = None;
        Self {
            state: State::Inner { body, events },
        }
    }

    /// The same for an event stream.
    pub(super) fn events(body: B, events: Events) -> Self {
        let events = Some(Box::new(events));
        Self {
            state: State::Inner { body, events },
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
            StateProj::Inner { body, events } => match (body.poll_frame(cx), events) {
                (Poll::Pending, Some(events)) => {
                    let ping = ready!(events.poll_ping(cx));
                    Poll::Ready(Some(Ok(Frame::data(ping))))
                }
                (Poll::Pending, None) => Poll::Pending,
                (Poll::Ready(Some(Ok(frame))), events) => {
                    let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                    Poll::Ready(Some(Ok(match events {
                        Some(events) => frame.map_data(|data| events.pass(data)),
                        None => frame,
                    })))
                }
                (Poll::Ready(Some(Err(error))), events) => {
                    let failure = Failure::wrap(error);
                    let end = events.as_ref().map(|events| events.end(&failure));
                    tracing::warn!(
                        target: "ziggurat::respond",
                        deployment = failure.deployment().map(|id| id.as_str()),
                        "error.type" = failure.kind().as_str(),
                        "a response broke after it had begun"
                    );
                    // The inner body goes at once, and with it the connection to the upstream.
                    state.set(State::Done);
                    Poll::Ready(Some(end.map(Frame::data).ok_or(failure)))
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
            State::Inner { body, .. } => body.is_end_stream(),
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
            State::Inner { body, .. } => match body.is_end_stream() {
                true => SizeHint::with_exact(0),
                false => SizeHint::default(),
            },
        }
    }
}

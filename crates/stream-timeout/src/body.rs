//! The body of a response.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, DeploymentId, Failure};

use crate::{
    clock::Clock,
    peek::Pieces,
    silence::{Silence, ends_stream, is_plain_event},
};

pin_project! {
    /// The body of a response of [`StreamTimeout`](crate::StreamTimeout): what was held, then the inner one, as long
    /// as it is not silent too long.
    ///
    /// When a limit has passed, it drops the inner body and ends with a [`Failure`] of the kind
    /// [`Timeout`](ziggurat_core::FailureKind::Timeout); after the event that ends a stream (`data: [DONE]`, Anthropic's
    /// `message_stop`, `response.completed` and its like), as if the inner one had ended.
    /// A frame that is there is never lost to the clock: a reader who takes its time is not at fault. It is `Unpin` if the
    /// inner body is.
    pub struct ResponseBody<R>
    where
        R: Body,
    {
        held: VecDeque<Frame<R::Data>>,
        // `None` after the end that this body made.
        #[pin]
        inner: Option<R>,
        // `None` for what is no stream. Boxed, so that the layers around move less of what is none.
        watch: Option<Box<Watch>>,
    }
}

/// What is known of a stream that goes on.
struct Watch {
    clock: Clock,
    /// `None` if it is no event stream.
    events: Option<Events>,
}

/// What the last frame of an event stream said.
#[derive(Default)]
pub(crate) struct Events {
    silence: Silence,
    complete: bool,
}

// === impl Watch ===

impl Watch {
    fn hear<D: Buf>(&mut self, frame: &Frame<D>) {
        let comment = self.events.as_mut().is_some_and(|it| {
            let data = frame.data_ref();
            data.is_some_and(|data| it.hear(data))
        });
        if comment {
            self.clock.heard_comment();
        } else {
            self.clock.heard();
        }
    }

    /// Says whether the reader has all, though the body does not end.
    fn is_complete(&self) -> bool {
        self.events.as_ref().is_some_and(|it| it.complete)
    }
}

// === impl Events ===

impl Events {
    /// Reads a frame; says whether it is but a comment.
    pub(crate) fn hear(&mut self, data: &impl Buf) -> bool {
        let first = data.chunk();
        if self.silence == Silence::LineStart
            && first.len() == data.remaining()
            && is_plain_event(first)
        {
            self.complete = false;
            return false;
        }
        let pieces = Pieces::of(data);
        let comment = self.silence.is(&pieces);
        self.complete = ends_stream(&pieces) || comment && self.complete;
        comment
    }
}

// === impl ResponseBody ===

impl<R: Body> ResponseBody<R> {
    /// What is no stream passes.
    pub(crate) const fn passing(inner: R) -> Self {
        Self {
            held: VecDeque::new(),
            inner: Some(inner),
            watch: None,
        }
    }

    pub(crate) fn watched(
        held: VecDeque<Frame<R::Data>>,
        inner: R,
        clock: Clock,
        events: Option<Events>,
    ) -> Self {
        Self {
            held,
            inner: Some(inner),
            watch: Some(Box::new(Watch { clock, events })),
        }
    }
}

impl<R: Body> ResponseBody<R> {
    /// Takes back the frames that it has given, to give them again before all others.
    pub(crate) fn put_back(&mut self, mut frames: VecDeque<Frame<R::Data>>) {
        frames.append(&mut self.held);
        self.held = frames;
    }
}

impl<R: Body + Unpin> ResponseBody<R> {
    /// Drops the inner body, which has ended.
    pub(crate) fn end(&mut self) {
        self.inner = None;
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body,
    R::Error: Into<BoxError>,
{
    type Data = R::Data;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        if let Some(frame) = this.held.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let failure = match (inner.poll_frame(cx), this.watch) {
            (Poll::Ready(None), _) => return Poll::Ready(None),
            (Poll::Ready(Some(Ok(frame))), watch) => {
                if let Some(watch) = watch {
                    watch.hear(&frame);
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            (Poll::Ready(Some(Err(error))), _) => Failure::wrap(error),
            (Poll::Pending, None) => return Poll::Pending,
            (Poll::Pending, Some(watch)) => {
                let failure = ready!(watch.clock.poll_next(cx));
                if watch.is_complete() {
                    this.inner.set(None);
                    return Poll::Ready(None);
                }
                tracing::warn!(
                    target: "ziggurat::stream_timeout",
                    deployment = failure.deployment().map(DeploymentId::as_str),
                    error.type = failure.kind().as_str(),
                    limit = crate::future::limit(&failure),
                    "the stream was cut off"
                );
                failure
            }
        };
        this.inner.set(None);
        Poll::Ready(Some(Err(failure)))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.iter().filter_map(Frame::data_ref);
        let held: u64 = held.map(|data| data.remaining() as u64).sum();
        let inner = match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(held));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}

impl<R: Body + fmt::Debug> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("held", &self.held.len())
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

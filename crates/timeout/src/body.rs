//! The body of a limited response.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, DeploymentId, Failure};

use crate::timer::Timer;

pin_project! {
    /// The body of a response of [`Timeout`](crate::Timeout) or [`TotalTimeout`](crate::TotalTimeout): the inner one, as
    /// long as there is time.
    ///
    /// When the time is over, it drops the inner body and ends with a [`Failure`] of the kind
    /// [`Timeout`](ziggurat_core::FailureKind::Timeout); if by its size hint not a byte is left to come, as if the inner one had
    /// ended. A frame that is there is never lost to the clock: a reader who takes its time is not at fault. It is `Unpin` if
    /// the inner body is.
    #[derive(Debug)]
    pub struct ResponseBody<R> {
        // `None` after an error.
        #[pin]
        inner: Option<R>,
        timer: Timer,
    }
}

// === impl ResponseBody ===

impl<R> ResponseBody<R> {
    pub(crate) const fn new(inner: R, timer: Timer) -> Self {
        Self {
            inner: Some(inner),
            timer,
        }
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
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let failure = match inner.poll_frame(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => {
                this.timer.heard();
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Err(error))) => Failure::wrap(error),
            Poll::Pending => {
                let failure = ready!(this.timer.poll(cx));
                // All has come but the end, which some upstreams are slow to make.
                let is_whole = |inner: Pin<&R>| inner.size_hint().exact() == Some(0);
                if this.inner.as_ref().as_pin_ref().is_some_and(is_whole) {
                    this.inner.set(None);
                    return Poll::Ready(None);
                }
                tracing::warn!(
                    target: "ziggurat::timeout",
                    deployment = failure.deployment().map(DeploymentId::as_str),
                    error.type = failure.kind().as_str(),
                    "the response was cut off"
                );
                failure
            }
        };
        this.inner.set(None);
        Poll::Ready(Some(Err(failure)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

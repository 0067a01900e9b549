//! The body of a watched response.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, ByStatus, Classify, Failure};

use crate::watch::Watch;

pin_project! {
    /// The body of a response of [`Cooldown`](crate::Cooldown): the inner one, and the judgement of the call at its end.
    ///
    /// The end is the last frame, if the inner body tells that it is, an error, `None`, or a drop when no byte of a body
    /// of known length is left. Dropping it before counts nothing, and gives the trial back, unless the operator's `Deadline` is what cut it: see the
    /// crate page. It is `Unpin` if the inner
    /// body is.
    #[derive(Debug)]
    pub struct ResponseBody<R, C = ByStatus> {
        // `None` after an error.
        #[pin]
        inner: Option<R>,
        // `None` once the call is judged.
        watch: Option<Watch<C>>,
    }
}

// === impl ResponseBody ===

impl<R, C> ResponseBody<R, C> {
    pub(crate) const fn judged(inner: R) -> Self {
        Self {
            inner: Some(inner),
            watch: None,
        }
    }
}

impl<R: Body, C: Classify> ResponseBody<R, C> {
    pub(crate) fn new(inner: R, watch: Watch<C>) -> Self {
        let mut watch = Some(watch);
        look_for_end(&inner, &mut watch);
        Self {
            inner: Some(inner),
            watch,
        }
    }
}

/// Judges the call if the body tells that nothing will come.
fn look_for_end<R: Body, C: Classify>(inner: &R, watch: &mut Option<Watch<C>>) {
    if inner.is_end_stream() {
        if let Some(watch) = watch.take() {
            watch.end(None);
        }
    } else if inner.size_hint().exact() == Some(0)
        && let Some(watch) = watch
    {
        // Trailers may follow.
        watch.no_byte_is_left();
    }
}

impl<R, C> Body for ResponseBody<R, C>
where
    R: Body,
    R::Error: Into<BoxError>,
    C: Classify,
{
    type Data = R::Data;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = inner.as_mut().poll_frame(cx) else {
            if let Some(watch) = this.watch.as_mut() {
                watch.waits();
            }
            return Poll::Pending;
        };
        if let Some(watch) = this.watch.as_mut() {
            watch.heard();
        }
        match frame {
            Some(Ok(frame)) => {
                match frame.trailers_ref() {
                    Some(trailers) => {
                        if let Some(watch) = this.watch.take() {
                            watch.end(Some(trailers));
                        }
                    }
                    None => {
                        if let (Some(watch), Some(data)) = (this.watch.as_mut(), frame.data_ref())
                            && data.has_remaining()
                        {
                            watch.data_came();
                        }
                        look_for_end(&*inner, this.watch);
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                if let Some(watch) = this.watch.take() {
                    watch.end(None);
                }
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                let failure = Failure::wrap(error);
                if let Some(watch) = this.watch.take() {
                    watch.broken(&failure);
                }
                this.inner.set(None);
                Poll::Ready(Some(Err(failure)))
            }
        }
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

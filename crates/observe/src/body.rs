use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, Failure, observe::Ended};

use crate::watch::Watch;

pin_project! {
    /// The body of a response of [`Observe`](crate::Observe): the inner one, which tells the observer of its end.
    ///
    /// The end is the last frame, if the inner body tells that it is, an error, `None`, or a drop when no byte of a body of
    /// known length is left. It is `Unpin` if the inner body is.
    pub struct ResponseBody<R> {
        // `None` after an error.
        #[pin]
        inner: Option<R>,
        watch: Watch,
    }
}

impl<R: Body> ResponseBody<R> {
    pub(crate) fn new(inner: R, mut watch: Watch) -> Self {
        look_for_end(&inner, &mut watch);
        Self {
            inner: Some(inner),
            watch,
        }
    }
}

/// Tells of the end if the body says that nothing will come.
fn look_for_end<R: Body>(inner: &R, watch: &mut Watch) {
    if watch.is_over() {
        return;
    }
    if inner.is_end_stream() {
        watch.end(Ended::Completed);
    } else if inner.size_hint().exact() == Some(0) {
        // Trailers may follow.
        watch.may_end();
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
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        match ready!(inner.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => {
                if frame.data_ref().is_some_and(Buf::has_remaining) {
                    this.watch.heard();
                }
                look_for_end(&*inner, this.watch);
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                this.watch.end(Ended::Completed);
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                let failure = Failure::wrap(error);
                this.watch.broke(&failure);
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

impl<R> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("over", &self.watch.is_over())
            .finish_non_exhaustive()
    }
}

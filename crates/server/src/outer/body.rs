use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;
use tower::BoxError;
use tracing::Span;

pin_project! {
    /// The body of a response of [`Outer`](super::Outer): the inner one, or an error that was written there. It runs in the
    /// span of its request.
    pub struct OuterBody<R> {
        #[pin]
        body: Either<R, Full<Bytes>>,
        span: Span,
    }
}

impl<R> OuterBody<R> {
    pub(super) const fn new(body: Either<R, Full<Bytes>>, span: Span) -> Self {
        Self { body, span }
    }
}

impl<R> Body for OuterBody<R>
where
    R: Body<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let _entered = this.span.enter();
        this.body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<R> fmt::Debug for OuterBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OuterBody").finish_non_exhaustive()
    }
}

//! The body of a response.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;
use ziggurat_core::{BoxError, Classify, Failure};

use crate::{
    asking::Asking,
    recovery::{Recovery, StreamRecovery},
};

pin_project! {
    /// The body of a response of [`Fallback`](crate::Fallback): the inner one; of a stream that is recovered, what the groups
    /// after it add.
    ///
    /// It fails with what the inner body fails with, as [`Failure::wrap`] gives it. Dropping it drops what is asked for it. It
    /// is `Unpin` if the inner body is.
    pub struct ResponseBody<S, B, R, C>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        inner: Inner<S, B, R, C>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<S, B, R, C>
    where
        S: Service<Request<B>>,
    {
        Passing { #[pin] body: R },
        // Boxed: most streams are not recovered.
        Recovering { recovery: Box<Recovery<S, B, R, C>> },
    }
}

// === impl ResponseBody ===

impl<S, B, R, C> ResponseBody<S, B, R, C>
where
    S: Service<Request<B>>,
{
    pub(crate) const fn passing(body: R) -> Self {
        Self {
            inner: Inner::Passing { body },
        }
    }

    pub(crate) fn recovering(
        body: R,
        asking: Asking<S, B, R, C>,
        recovery: StreamRecovery,
    ) -> Self {
        let recovery = Box::new(Recovery::new(body, asking, recovery));
        Self {
            inner: Inner::Recovering { recovery },
        }
    }

    /// Returns the inner body; `None` of a stream that others may go on with.
    pub const fn get_ref(&self) -> Option<&R> {
        match &self.inner {
            Inner::Passing { body } => Some(body),
            Inner::Recovering { .. } => None,
        }
    }
}

impl<S, B, R, C> Body for ResponseBody<S, B, R, C>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    C: Classify,
    B: Clone,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match self.project().inner.project() {
            InnerProj::Passing { body } => body
                .poll_frame(cx)
                .map(|polled| polled.map(|frame| frame.map(bytes_of).map_err(Failure::wrap))),
            InnerProj::Recovering { recovery } => recovery.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Passing { body } => body.is_end_stream(),
            Inner::Recovering { recovery } => recovery.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Passing { body } => body.size_hint(),
            Inner::Recovering { recovery } if recovery.has_no_more() => SizeHint::with_exact(0),
            Inner::Recovering { .. } => SizeHint::default(),
        }
    }
}

/// Costs a copy only if the data are no [`Bytes`].
pub(crate) fn bytes_of<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

impl<S, B, R, C> fmt::Debug for ResponseBody<S, B, R, C>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("fallback::ResponseBody")
            .finish_non_exhaustive()
    }
}

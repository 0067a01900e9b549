//! The body of a balanced response.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::job::Job;

pin_project! {
    /// The body of a response of [`Balance`](crate::Balance): the inner one as it is.
    ///
    /// The call is in flight until this body ends, fails or is dropped. It is `Unpin` if the inner body is.
    #[derive(Debug)]
    pub struct ResponseBody<R> {
        // `None` after an error.
        #[pin]
        inner: Option<R>,
        job: Option<Job>,
    }
}

impl<R> ResponseBody<R> {
    pub(crate) const fn new(inner: R, job: Job) -> Self {
        Self {
            inner: Some(inner),
            job: Some(job),
        }
    }

    /// Returns the inner body; `None` after it has failed.
    pub const fn get_ref(&self) -> Option<&R> {
        self.inner.as_ref()
    }

    /// Unwraps the inner body; `None` after it has failed. The call is no longer in flight.
    pub fn into_inner(self) -> Option<R> {
        self.inner
    }
}

impl<R: Body> Body for ResponseBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(inner.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(_)) if inner.is_end_stream() => *this.job = None,
            Some(Ok(_)) => {}
            None => *this.job = None,
            Some(Err(_)) => {
                this.inner.set(None);
                if let Some(job) = this.job.take() {
                    job.broke();
                }
            }
        }
        Poll::Ready(frame)
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

//! The future of an observed call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, Failure};

use crate::{ResponseBody, watch::Watch};

pin_project! {
    /// The future of [`Observe`](crate::Observe). Dropped before its end, it tells the observer so.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // `None` after the end.
        watch: Option<Watch>,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) const fn new(inner: F, watch: Watch) -> Self {
        Self {
            inner,
            watch: Some(watch),
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(cx)).map_err(Failure::wrap);
        let mut watch = this
            .watch
            .take()
            .expect("the future is not polled after its end");
        watch.answered(&mut result);
        Poll::Ready(result.map(|response| response.map(|body| ResponseBody::new(body, watch))))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

//! The future of a limited call.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, DeploymentId, Failure};

use crate::{ResponseBody, limits::Deadlines, timer::Timer};

pin_project! {
    /// The future of [`Timeout`](crate::Timeout) and of [`TotalTimeout`](crate::TotalTimeout).
    ///
    /// Dropping it drops the call and frees the timer.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        call: F,
        deadlines: Deadlines,
        // Moves into the body; `None` after the end.
        timer: Option<Timer>,
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(crate) const fn new(call: F, deadlines: Deadlines, timer: Timer) -> Self {
        Self {
            call,
            deadlines,
            timer: Some(timer),
        }
    }
}

const TAKEN_ONCE: &str =
    "the timer is there until the future ends, and it is not polled after that";

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(result) = this.call.poll(cx) {
            let response = result.map_err(Failure::wrap)?;
            let timer = this.timer.take().expect(TAKEN_ONCE);
            let timer = timer.of_body(this.deadlines.body(&response));
            return Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, timer))));
        }
        let timer = this.timer.as_mut().expect(TAKEN_ONCE);
        let failure = ready!(timer.poll(cx));
        tracing::debug!(
            target: "ziggurat::timeout",
            deployment = failure.deployment().map(DeploymentId::as_str),
            error.type = failure.kind().as_str(),
            "no answer in time"
        );
        Poll::Ready(Err(failure))
    }
}

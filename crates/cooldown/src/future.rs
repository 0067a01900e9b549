//! The future of a watched call.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, ByStatus, Classify, Failure};

use crate::{ResponseBody, watch::Watch};

pin_project! {
    /// The future of [`Cooldown`](crate::Cooldown).
    ///
    /// Dropping it drops the call, counts nothing, and gives the trial back; unless the operator's `Deadline` has cut it, see
    /// the [crate page](crate#cancellation).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C = ByStatus> {
        #[pin]
        state: State<F, C>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F, C> {
        // The watch moves into the body.
        Calling { #[pin] call: F, watch: Option<Watch<C>> },
        Refused { failure: Option<Failure> },
    }
}

const POLLED_ONCE: &str = "a future is not polled after its end";

// === impl ResponseFuture ===

impl<F, C> ResponseFuture<F, C> {
    pub(crate) const fn new(call: F, watch: Watch<C>) -> Self {
        let watch = Some(watch);
        Self {
            state: State::Calling { call, watch },
        }
    }

    pub(crate) const fn refused(failure: Failure) -> Self {
        let failure = Some(failure);
        Self {
            state: State::Refused { failure },
        }
    }
}

impl<F, R, E, C> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body,
    C: Classify,
{
    type Output = Result<Response<ResponseBody<R, C>>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling { call, watch } => {
                let result = ready!(call.poll(cx)).map_err(Failure::wrap);
                Poll::Ready(watch.take().expect(POLLED_ONCE).head(result))
            }
            StateProj::Refused { failure } => Poll::Ready(Err(failure.take().expect(POLLED_ONCE))),
        }
    }
}

//! The future of a checked call.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, Failure};

pub use crate::precount::PrecountFuture;

pin_project! {
    /// The future of [`ContextWindowFilter`](crate::ContextWindowFilter).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F> {
        Call {
            #[pin]
            call: F,
        },
        Refused {
            failure: Option<Failure>,
        },
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(crate) const fn call(call: F) -> Self {
        Self {
            state: State::Call { call },
        }
    }

    pub(crate) const fn refused(failure: Failure) -> Self {
        let failure = Some(failure);
        Self {
            state: State::Refused { failure },
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Call { call } => call.poll(cx).map_err(Failure::wrap),
            StateProj::Refused { failure } => {
                let failure = failure.take().expect("not polled after its end");
                Poll::Ready(Err(failure))
            }
        }
    }
}

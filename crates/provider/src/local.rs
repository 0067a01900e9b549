//! Answers that need no upstream.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    runtime::Handle,
    task::{JoinHandle, spawn_blocking},
};
use ziggurat_core::{Failure, FailureKind, json::Printed};

type Result = std::result::Result<Printed, Failure>;

/// What a [`Dialect`](crate::Dialect) answers itself. A future, which may be dropped.
pub struct LocalAnswer {
    state: State,
}

enum State {
    Ready(Option<Result>),
    Working(JoinHandle<Result>),
}

impl LocalAnswer {
    /// Is at hand.
    #[must_use]
    pub fn ready(answer: Result) -> Self {
        Self {
            state: State::Ready(Some(answer)),
        }
    }

    /// Has to be found by work that may take a while: on a thread for that, if there is a runtime of tokio. Dropping the
    /// answer does not end the work.
    #[must_use]
    pub fn blocking(work: impl FnOnce() -> Result + Send + 'static) -> Self {
        let state = match Handle::try_current() {
            Ok(_) => State::Working(spawn_blocking(work)),
            Err(_) => State::Ready(Some(work())),
        };
        Self { state }
    }
}

impl Future for LocalAnswer {
    type Output = Result;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result> {
        match &mut self.get_mut().state {
            State::Ready(answer) => Poll::Ready(answer.take().expect("polled after it was ready")),
            State::Working(work) => Pin::new(work).poll(cx).map(|done| match done {
                Ok(answer) => answer,
                // It panicked, or the runtime ends.
                Err(error) => Err(Failure::new(FailureKind::Other).with_source(error)),
            }),
        }
    }
}

impl fmt::Debug for LocalAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAnswer").finish_non_exhaustive()
    }
}

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::Guard;

/// The response future of [`StrictProbe`](crate::StrictProbe) and [`ScriptedService`](crate::ScriptedService).
#[must_use = "futures do nothing unless polled"]
pub struct AnswerFuture<Res, E> {
    answer: Option<Result<Res, E>>,
    /// Polls that still return `Pending` and wake at once.
    pending: usize,
    sleep: Option<Pin<Box<Sleep>>>,
    hangs: bool,
    _guard: Guard,
}

impl<Res, E> AnswerFuture<Res, E> {
    pub(crate) fn new(answer: Result<Res, E>, guard: Guard) -> Self {
        Self {
            answer: Some(answer),
            pending: 0,
            sleep: None,
            hangs: false,
            _guard: guard,
        }
    }

    pub(crate) fn pending(mut self, polls: usize) -> Self {
        self.pending = polls;
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.sleep = (!delay.is_zero()).then(|| Box::pin(sleep(delay)));
        self
    }

    pub(crate) fn hanging(mut self, hangs: bool) -> Self {
        self.hangs = hangs;
        self
    }
}

/// The answer is moved out, never pinned.
impl<Res, E> Unpin for AnswerFuture<Res, E> {}

impl<Res, E> Future for AnswerFuture<Res, E> {
    type Output = Result<Res, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.hangs {
            return Poll::Pending;
        }
        if self.pending > 0 {
            self.pending -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(sleep) = &mut self.sleep
            && sleep.as_mut().poll(cx).is_pending()
        {
            return Poll::Pending;
        }
        Poll::Ready(
            self.answer
                .take()
                .expect("a future is not polled after its end"),
        )
    }
}

impl<Res, E> fmt::Debug for AnswerFuture<Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerFuture")
            .field("pending", &self.pending)
            .field("hangs", &self.hangs)
            .finish_non_exhaustive()
    }
}

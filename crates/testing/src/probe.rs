use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tower_service::Service;
use ziggurat_core::{Admit, Rejection};

use crate::{AnswerFuture, Guards};

type Answer<Req, Res, E> = dyn Fn(Req) -> Result<Res, E> + Send + Sync;
type Unready<E> = dyn Fn() -> E + Send + Sync;

/// A service that insists on tower's readiness contract.
///
/// `call` panics unless `poll_ready` has returned `Ready` on this very instance since its last call. A clone starts
/// unready, whatever its original was.
pub struct StrictProbe<Req, Res, E> {
    answer: Arc<Answer<Req, Res, E>>,
    rejection: Option<Rejection>,
    failure: Option<Arc<Unready<E>>>,
    tally: Tally,
    ready: bool,
    /// Polls that each readiness takes, and those still to come for the current one.
    ready_after: usize,
    unready: usize,
    answer_after: usize,
}

impl<Req, Res, E> StrictProbe<Req, Res, E> {
    /// Creates a probe that answers each request with this function.
    pub fn new(answer: impl Fn(Req) -> Result<Res, E> + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            rejection: None,
            failure: None,
            tally: Tally::default(),
            ready: false,
            ready_after: 0,
            unready: 0,
            answer_after: 0,
        }
    }

    /// Makes each readiness take this many polls that return `Pending` and wake at once.
    #[must_use]
    pub fn ready_after(mut self, polls: usize) -> Self {
        self.ready_after = polls;
        self.unready = polls;
        self
    }

    /// Makes `poll_ready` fail with this error, after the polls that it takes.
    #[must_use]
    pub fn never_ready(mut self, error: impl Fn() -> E + Send + Sync + 'static) -> Self {
        self.failure = Some(Arc::new(error));
        self
    }

    /// Makes each answer take this many polls that return `Pending` and wake at once.
    #[must_use]
    pub fn answer_after(mut self, polls: usize) -> Self {
        self.answer_after = polls;
        self
    }

    /// Makes [`Admit::admit`] refuse all requests; a `call` is answered all the same.
    #[must_use]
    pub fn rejecting(mut self, rejection: Rejection) -> Self {
        self.rejection = Some(rejection);
        self
    }

    /// Returns what this probe and all its clones see.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }
}

impl<Req, Res, E> Clone for StrictProbe<Req, Res, E> {
    fn clone(&self) -> Self {
        Self {
            answer: Arc::clone(&self.answer),
            rejection: self.rejection.clone(),
            failure: self.failure.clone(),
            tally: self.tally.clone(),
            ready: false,
            unready: self.ready_after,
            ..*self
        }
    }
}

impl<Req, Res, E> Service<Req> for StrictProbe<Req, Res, E> {
    type Response = Res;
    type Error = E;
    type Future = AnswerFuture<Res, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.tally.inner.ready_polls.fetch_add(1, Ordering::Relaxed);
        if self.unready > 0 {
            self.unready -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(failure) = &self.failure {
            return Poll::Ready(Err(failure()));
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        assert!(
            self.ready,
            "`call` without a `Ready` from `poll_ready` on this instance"
        );
        self.ready = false;
        self.unready = self.ready_after;
        self.tally.inner.calls.fetch_add(1, Ordering::Relaxed);
        AnswerFuture::new((self.answer)(req), self.tally.inner.futures.take())
            .pending(self.answer_after)
    }
}

/// Admits every request, unless told to reject.
impl<Req, Res, E> Admit<Req> for StrictProbe<Req, Res, E> {
    fn admit(&self, _: &Req) -> Result<(), Rejection> {
        self.rejection.clone().map_or(Ok(()), Err)
    }
}

impl<Req, Res, E> fmt::Debug for StrictProbe<Req, Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrictProbe")
            .field("tally", &self.tally)
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

/// What a [`StrictProbe`] and its clones have seen.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    inner: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    ready_polls: AtomicUsize,
    calls: AtomicUsize,
    futures: Guards,
}

impl Tally {
    /// Returns the number of polls of `poll_ready`.
    #[must_use]
    pub fn ready_polls(&self) -> usize {
        self.inner.ready_polls.load(Ordering::Relaxed)
    }

    /// Returns the number of calls.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// Returns the number of response futures that have not been dropped.
    #[must_use]
    pub fn futures(&self) -> usize {
        self.inner.futures.held()
    }
}

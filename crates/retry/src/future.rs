//! The future of a call with retries.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Extensions;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_service::Service;
use ziggurat_core::{BoxError, ByStatus, Classify, Failure, judge};

use crate::{
    policy::Policy,
    progress::{End, Progress},
};

const KEPT: &str = "only what was kept is sent again";

pin_project! {
    /// The future of [`Retry`](crate::Retry).
    ///
    /// Dropping it drops the running call or the wait, and the kept copy of the request.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, C = ByStatus>
    where
        S: Service<http::Request<B>>,
    {
        policy: Arc<Policy<C>>,
        progress: Progress,
        // Boxed: mostly nobody looks at it, and all futures around move what they hold.
        again: Option<Box<Again<S, B>>>,
        #[pin]
        state: State<S::Future>,
    }
}

/// What another attempt needs; there is none if no other attempt may follow.
pub(crate) struct Again<S, B> {
    service: S,
    request: http::Request<B>,
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling { #[pin] call: F },
        Waiting { #[pin] sleep: Sleep, failure: Failure },
        // The deadline may pass meanwhile: then this is the result.
        Readying { failure: Failure },
    }
}

// === impl ResponseFuture ===

impl<S, B, C> ResponseFuture<S, B, C>
where
    S: Service<http::Request<B>>,
{
    pub(crate) fn new(
        policy: Arc<Policy<C>>,
        progress: Progress,
        again: Option<Box<Again<S, B>>>,
        call: S::Future,
    ) -> Self {
        Self {
            policy,
            progress,
            again,
            state: State::Calling { call },
        }
    }
}

impl<S, B, R, C> Future for ResponseFuture<S, B, C>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Error: Into<BoxError>,
    B: Clone,
    C: Classify,
{
    type Output = Result<http::Response<R>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Calling { call } => {
                    let result = ready!(call.poll(cx)).map_err(Failure::wrap);
                    let failure = judge(&this.policy.classify, &result);
                    this.progress.finish(&result, failure.as_ref());
                    let Some(failure) = failure else {
                        this.progress.succeed(this.policy);
                        return Poll::Ready(result);
                    };
                    let none = Extensions::new();
                    let kept = this.again.as_ref();
                    let end = End {
                        failure: &failure,
                        was_answered: result.is_ok() || failure.upstream().is_some(),
                        extensions: kept.map_or(&none, |again| again.request.extensions()),
                    };
                    let wait = this.progress.decide(this.policy, &end);
                    // Setting the next state drops the finished call and what it holds; the response goes here.
                    match wait {
                        Some(wait) if kept.is_some() => State::pause(wait, failure),
                        _ => {
                            this.progress.give_up(this.policy);
                            let earlier = this.progress.instead_of(&failure);
                            return Poll::Ready(earlier.map_or(result, Err));
                        }
                    }
                }
                StateProj::Waiting { sleep, failure } => {
                    ready!(sleep.poll(cx));
                    State::Readying {
                        failure: failure.clone(),
                    }
                }
                StateProj::Readying { failure } => {
                    let service = &mut this.again.as_mut().expect(KEPT).service;
                    ready!(service.poll_ready(cx)).map_err(Failure::wrap)?;
                    if this.progress.is_over(failure) {
                        this.progress.give_up(this.policy);
                        return Poll::Ready(Err(failure.clone()));
                    }
                    this.progress.retry(failure);
                    let keep = this.progress.may_follow(this.policy);
                    let call = Again::call(this.again, this.progress, keep);
                    State::Calling { call }
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, B, C> fmt::Debug for ResponseFuture<S, B, C>
where
    S: Service<http::Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

// === impl Again ===

impl<S, B> Again<S, B> {
    pub(crate) fn new(service: S, request: http::Request<B>) -> Self {
        Self { service, request }
    }
}

impl<S, B> Again<S, B>
where
    S: Service<http::Request<B>>,
    B: Clone,
{
    /// Calls the service, which is ready. The request is copied only if it is to be kept.
    fn call(again: &mut Option<Box<Self>>, progress: &Progress, keep: bool) -> S::Future {
        if keep {
            let kept = again.as_mut().expect(KEPT);
            // As before the first attempt: what is kept has no ledger, if it came without one.
            let mut sent = kept.request.clone();
            progress.mark(&mut sent);
            return kept.service.call(sent);
        }
        let Self {
            mut service,
            mut request,
        } = *again.take().expect(KEPT);
        progress.mark(&mut request);
        service.call(request)
    }
}

// === impl State ===

impl<F> State<F> {
    fn pause(wait: Duration, failure: Failure) -> Self {
        if wait.is_zero() {
            return Self::Readying { failure };
        }
        Self::Waiting {
            sleep: sleep(wait),
            failure,
        }
    }
}

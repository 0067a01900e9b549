//! The future of a call.

use std::{
    fmt,
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;
use ziggurat_core::{BoxError, Classify, Failure, FailureKind, judge, overrides::FallbackAhead};

use crate::walk::{Hop, Walk};

pin_project! {
    /// The future of a call: the answer of the first group that gave one, else the outcome of the first group.
    pub struct ResponseFuture<S, B, R, C>
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
        Direct { #[pin] future: S::Future },
        Chained { #[pin] state: State<S::Future>, hops: Hops<S, B, R, C> },
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling { #[pin] future: F },
        Readying { hop: Hop },
    }
}

/// What is needed to ask further groups.
pub(crate) struct Hops<S, B, R, C> {
    service: S,
    /// The request as it came: every hop starts from it.
    request: Request<B>,
    walk: Walk,
    classify: C,
    /// What the first group said, for the case that no other does better.
    first: Option<Outcome<R>>,
}

type Outcome<R> = Result<Response<R>, Failure>;

// === impl ResponseFuture ===

impl<S, B, R, C> ResponseFuture<S, B, R, C>
where
    S: Service<Request<B>>,
{
    pub(crate) fn direct(future: S::Future) -> Self {
        Self {
            inner: Inner::Direct { future },
        }
    }

    pub(crate) fn chained(future: S::Future, hops: Hops<S, B, R, C>) -> Self {
        Self {
            inner: Inner::Chained {
                state: State::Calling { future },
                hops,
            },
        }
    }
}

impl<S, B, R, C> Future for ResponseFuture<S, B, R, C>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    C: Classify,
    B: Clone,
{
    type Output = Outcome<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut state, hops) = match self.project().inner.project() {
            InnerProj::Direct { future } => return future.poll(cx).map_err(Failure::wrap),
            InnerProj::Chained { state, hops } => (state, hops),
        };
        loop {
            let next = match state.as_mut().project() {
                StateProj::Calling { future } => {
                    let outcome = ready!(future.poll(cx)).map_err(Failure::wrap);
                    match hops.weigh(outcome) {
                        ControlFlow::Continue(hop) => State::Readying { hop },
                        ControlFlow::Break(outcome) => return Poll::Ready(outcome),
                    }
                }
                StateProj::Readying { hop } => match ready!(hops.service.poll_ready(cx)) {
                    Ok(()) => State::Calling {
                        future: hops.start(hop),
                    },
                    Err(error) => return Poll::Ready(hops.abandon(Failure::wrap(error))),
                },
            };
            state.set(next);
        }
    }
}

impl<S, B, R, C> fmt::Debug for ResponseFuture<S, B, R, C>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

// === impl Hops ===

impl<S, B, R, C> Hops<S, B, R, C> {
    pub(crate) fn new(service: S, request: Request<B>, walk: Walk, classify: C) -> Self {
        Self {
            service,
            request,
            walk,
            classify,
            first: None,
        }
    }

    /// Goes on after a failure as long as there is somewhere to go.
    fn weigh(&mut self, outcome: Outcome<R>) -> ControlFlow<Outcome<R>, Hop>
    where
        C: Classify,
    {
        let Some(failure) = judge(&self.classify, &outcome) else {
            return ControlFlow::Break(outcome);
        };
        match self.walk.advance(&failure) {
            Some(hop) => {
                // A later group's failure ends here, and with it the connection that its response holds.
                self.first.get_or_insert(outcome);
                ControlFlow::Continue(hop)
            }
            None => ControlFlow::Break(self.give_up(failure.kind(), outcome)),
        }
    }

    /// Sends the request to the next group. The service must be ready.
    fn start(&mut self, hop: &Hop) -> S::Future
    where
        S: Service<Request<B>>,
        B: Clone,
    {
        self.walk.depart(hop);
        tracing::debug!(
            target: "ziggurat::fallback",
            from = hop.from.as_str(),
            to = hop.to.group.as_str(),
            reason = hop.reason.as_str(),
            error.type = hop.cause.kind().as_str(),
            "asking another model group",
        );
        let mut request = self.request.clone();
        hop.redirect(request.extensions_mut());
        if self.walk.leads_on() {
            request.extensions_mut().insert(FallbackAhead);
        }
        self.service.call(request)
    }

    /// Returns the first group's outcome, which is `last` if there was no other.
    fn give_up(&mut self, kind: FailureKind, last: Outcome<R>) -> Outcome<R> {
        let Some(first) = self.first.take() else {
            tracing::debug!(
                target: "ziggurat::fallback",
                model_group = self.walk.origin().as_str(),
                error.type = kind.as_str(),
                "no other model group to ask",
            );
            return last;
        };
        tracing::warn!(
            target: "ziggurat::fallback",
            model_group = self.walk.origin().as_str(),
            hops = self.walk.hops(),
            error.type = kind.as_str(),
            "no fallback answered",
        );
        first
    }

    /// Returns the first group's outcome when the service below takes no further call.
    fn abandon(&mut self, failure: Failure) -> Outcome<R> {
        self.give_up(failure.kind(), Err(failure))
    }
}

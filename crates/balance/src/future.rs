//! The future of a balanced call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;
use tracing::instrument::Instrumented;
use ziggurat_core::{Admit, BoxError, Classify, Failure, Tried};

use crate::{Balance, Pick, ResponseBody, call::Call, wait::Wait};

pin_project! {
    /// The future of [`Balance`].
    ///
    /// It chooses when it is polled first. Dropping it gives up every place that it waits in; a call that has begun is
    /// dropped with it, and its attempt stays in the ledger without an outcome.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, P, C>
    where
        S: Service<Request<B>>,
    {
        balance: Balance<S, P, C>,
        rested: Duration,
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    pub(crate) enum State<S, B, F> {
        /// No endpoint has been asked.
        Choosing { request: Option<Request<B>> },
        /// Every endpoint that would take the request rests.
        Resting { request: Option<Request<B>>, sleep: Pin<Box<Sleep>> },
        /// Every endpoint that would take the request has been chosen once, and none was ready and had a place.
        Waiting { request: Option<Request<B>>, wait: Wait<S> },
        /// One endpoint works on it.
        Calling { call: Option<Call>, #[pin] future: Instrumented<F> },
    }
}

const ENDS_ONCE: &str = "the future is not polled after its end";
const TAKEN_ONCE: &str = "the request is there until the call begins or the future ends";

impl<S, B, P, C> ResponseFuture<S, B, P, C>
where
    S: Service<Request<B>>,
{
    pub(crate) fn new(balance: Balance<S, P, C>, request: Request<B>) -> Self {
        let request = Some(request);
        Self {
            balance,
            rested: Duration::ZERO,
            state: State::Choosing { request },
        }
    }
}

impl<S, B, R, P, C> Future for ResponseFuture<S, B, P, C>
where
    S: Service<Request<B>, Response = Response<R>> + Admit<Request<B>> + Clone,
    S::Error: Into<BoxError>,
    P: Pick,
    C: Classify,
{
    type Output = Result<Response<ResponseBody<R>>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let balance = this.balance;
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Choosing { request } => {
                    let request = request.take().expect(TAKEN_ONCE);
                    balance.choose(request, this.rested, cx)?
                }
                StateProj::Resting { request, sleep } => {
                    ready!(sleep.as_mut().poll(cx));
                    let request = request.take();
                    State::Choosing { request }
                }
                StateProj::Waiting { request, wait } => {
                    ready!(balance.poll_wait(request, wait, cx))?
                }
                StateProj::Calling { call, mut future } => {
                    let result = ready!(future.as_mut().poll(cx)).map_err(Failure::wrap);
                    let call = call.take().expect(ENDS_ONCE);
                    let none_before = |tried: &Tried| balance.none_before(tried);
                    let (span, classify) = (future.span(), balance.classifier());
                    let mut result = call.end(span, classify, none_before, result);
                    if let (Ok(response), Some(limits)) =
                        (&mut result, balance.pool().rate_limits())
                    {
                        response.extensions_mut().insert(limits);
                    }
                    return Poll::Ready(result);
                }
            };
            let was_polled = matches!(&next, State::Waiting { wait, .. } if wait.was_polled());
            this.state.set(next);
            if was_polled {
                // Each service in the queue will wake this task.
                return Poll::Pending;
            }
        }
    }
}

impl<S, B, P, C> fmt::Debug for ResponseFuture<S, B, P, C>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

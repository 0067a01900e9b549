//! The future of a balanced call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::instrument::Instrumented;
use ziggurat_core::{Admit, BoxError, Classify, Failure};

use crate::{Balance, Pick, call::Call, queue::Queue, ranking::Ranking};

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
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        /// No endpoint has been asked.
        Choosing { request: Option<Request<B>> },
        /// Every endpoint that would take the request has been chosen once, and none was ready.
        Waiting { request: Option<Request<B>>, queue: Queue<S> },
        /// One endpoint works on it.
        Calling { call: Call, #[pin] future: Instrumented<F> },
    }
}

const TAKEN_ONCE: &str = "the request is there until the call begins or the future ends";

impl<S, B, P, C> ResponseFuture<S, B, P, C>
where
    S: Service<Request<B>>,
{
    pub(crate) fn new(balance: Balance<S, P, C>, request: Request<B>) -> Self {
        let request = Some(request);
        Self {
            balance,
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
    type Output = Result<Response<R>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let balance = this.balance;
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Choosing { request } => {
                    let request = request.take().expect(TAKEN_ONCE);
                    balance.choose(request, cx)?
                }
                StateProj::Waiting { request, queue } => {
                    let (index, service) = ready!(queue.poll(balance.endpoints(), cx))?;
                    let request = request.take().expect(TAKEN_ONCE);
                    balance.begin(index, service, queue.waiting(), request)
                }
                StateProj::Calling { call, mut future } => {
                    let result = ready!(future.as_mut().poll(cx)).map_err(Failure::wrap);
                    return Poll::Ready(call.end(future.span(), balance.classifier(), result));
                }
            };
            let waits = matches!(next, State::Waiting { .. });
            this.state.set(next);
            if waits {
                // Each service in the queue has just been polled, and will wake this task.
                return Poll::Pending;
            }
        }
    }
}

impl<S, P, C> Balance<S, P, C> {
    /// Chooses one endpoint after the other until one is ready, and calls it.
    fn choose<B>(
        &self,
        request: Request<B>,
        cx: &mut Context<'_>,
    ) -> Result<State<S, B, S::Future>, Failure>
    where
        S: Service<Request<B>> + Admit<Request<B>> + Clone,
        S::Error: Into<BoxError>,
        P: Pick,
    {
        let endpoints = self.endpoints();
        let mut ranking = Ranking::of(endpoints, &request)?;
        let mut queue = Queue::new();
        while let Some(index) = ranking.draw(self.policy()) {
            if let Some(service) = queue.try_now(endpoints, index, cx) {
                let others = ranking.rest().chain(queue.waiting());
                return Ok(self.begin(index, service, others, request));
            }
        }
        queue.check()?;
        let request = Some(request);
        Ok(State::Waiting { request, queue })
    }

    /// Calls an endpoint; `others` are those that would have taken the request as well.
    fn begin<B>(
        &self,
        index: usize,
        service: S,
        others: impl Iterator<Item = usize>,
        request: Request<B>,
    ) -> State<S, B, S::Future>
    where
        S: Service<Request<B>>,
    {
        let declared = |index: usize| self.endpoints()[index].declared();
        let (call, future) = Call::begin(service, declared(index), others.map(declared), request);
        State::Calling { call, future }
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

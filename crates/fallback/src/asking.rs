//! Asking one group after the other.

use std::{
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Extensions, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;
use ziggurat_core::{
    BoxError, Classify, ContentFiltered, Deadline, DeploymentId, Failure, FailureKind,
    FallbackReason, Meter, Operation, judge,
    overrides::{Parameters, Prefilled, StreamTimeout, Timeout},
};

use crate::{
    recovery::prefill,
    walk::{Hop, Walk},
};

pin_project! {
    /// Asks groups until one answers; and again, if its answer breaks.
    pub(crate) struct Asking<S, B, R, C>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S::Future>,
        // `None` once they were taken over. Boxed: mostly nobody looks at them, and all futures around move what they hold.
        hops: Option<Box<Hops<S, B, R, C>>>,
    }
}

pin_project! {
    #[project = StateProj]
    pub(crate) enum State<F> {
        Calling { #[pin] future: F },
        Failed { failure: Failure },
        Readying { hop: Hop },
        Answered,
    }
}

/// What is needed to ask further groups.
pub(crate) struct Hops<S, B, R, C> {
    service: S,
    /// The request as it came: every hop starts from it.
    request: Request<B>,
    /// Shared with those below, who see it as it was when they were called.
    walk: Arc<Walk>,
    classify: C,
    /// What the first group said, for the case that no other does better.
    // Boxed: mostly there is none, and a response is large.
    first: Option<Box<Outcome<R>>>,
    /// The reason of hops that are made for an answer which broke.
    recovery: Option<FallbackReason>,
    /// What the client has of the message that broke, if others may go on with it.
    said: Option<String>,
    /// The hop under way, if it was sent that.
    prefilled: Option<Hop>,
}

pub(crate) type Outcome<R> = Result<Response<R>, Failure>;

// === impl Asking ===

impl<S, B, R, C> Asking<S, B, R, C>
where
    S: Service<Request<B>>,
{
    /// Begins with what became of the first group, which may not be asked at all.
    pub(crate) const fn begin(state: State<S::Future>, hops: Box<Hops<S, B, R, C>>) -> Self {
        Self {
            state,
            hops: Some(hops),
        }
    }

    /// Waits to be told that an answer broke, with what was left by the one who got it.
    pub(crate) fn answered(hops: Box<Hops<S, B, R, C>>) -> Self {
        Self {
            state: State::Answered,
            hops: Some(hops),
        }
    }

    /// Hands over what is needed to ask further groups. No more is asked here.
    pub(crate) fn take_hops(self: Pin<&mut Self>) -> Option<Box<Hops<S, B, R, C>>> {
        self.project().hops.take()
    }

    /// Returns what the request asks for.
    pub(crate) fn operation(&self) -> Operation {
        let hops = self.hops.as_ref();
        hops.map_or(Operation::Chat, |hops| {
            Operation::of(hops.request.extensions())
        })
    }

    /// Returns how long the client may hear nothing new after its stream broke; zero is for ever.
    pub(crate) fn recovery_timeout(&self) -> Duration {
        let Some(hops) = &self.hops else {
            return Duration::ZERO;
        };
        let extensions = hops.request.extensions();
        let stream = extensions.get().map(|&StreamTimeout(limit)| limit);
        let plain = extensions.get().map(|&Timeout(limit)| limit);
        let own = [stream, plain].into_iter().flatten();
        let own = own.filter(|limit| !limit.is_zero()).min();
        own.unwrap_or_else(|| hops.walk.recovery_timeout())
    }

    /// Leaves whoever is being asked.
    pub(crate) fn leave(self: Pin<&mut Self>) {
        self.project().state.set(State::Answered);
    }

    /// Writes down who goes on with a stream.
    pub(crate) fn note_recovery(&self, deployment: Option<DeploymentId>, meter: Option<Meter>) {
        if let Some(hops) = &self.hops {
            hops.walk.tried().recover(deployment, meter);
        }
    }

    /// Says whether the answer goes on from what was said before it.
    pub(crate) fn is_prefilled(&self) -> bool {
        let hops = self.hops.as_ref();
        hops.is_some_and(|hops| hops.prefilled.is_some())
    }

    /// Goes on after an answer has broken; with what was `said`, if others may go on from there.
    pub(crate) fn go_on(self: Pin<&mut Self>, failure: Failure, said: Option<String>) {
        let mut this = self.project();
        if let Some(hops) = this.hops {
            hops.said = said;
            hops.prefilled = None;
        }
        this.state.set(State::Failed { failure });
    }
}

impl<S, B, R, C> Asking<S, B, R, C>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    C: Classify,
    B: Clone,
{
    /// Waits for the answer of the next group that gives one, else for the outcome of the first group.
    ///
    /// Must not be polled after an answer, but for [`go_on`](Self::go_on).
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<R>> {
        let mut this = self.project();
        let hops = this.hops.as_mut().expect("no more is asked");
        loop {
            let weighed = match this.state.as_mut().project() {
                StateProj::Calling { future } => {
                    hops.weigh(ready!(future.poll(cx)).map_err(Failure::wrap))
                }
                StateProj::Failed { failure } => hops.weigh(Err(failure.clone())),
                StateProj::Readying { hop } => match ready!(hops.service.poll_ready(cx)) {
                    Ok(()) if hops.is_over() => ControlFlow::Break(hops.abandon(hop.cause.clone())),
                    Ok(()) => {
                        let future = hops.start(hop);
                        this.state.set(State::Calling { future });
                        continue;
                    }
                    Err(error) => ControlFlow::Break(hops.abandon(Failure::wrap(error))),
                },
                StateProj::Answered => panic!("it is not polled after an answer"),
            };
            match weighed {
                ControlFlow::Continue(hop) => this.state.set(State::Readying { hop }),
                ControlFlow::Break(outcome) => {
                    this.state.set(State::Answered);
                    return Poll::Ready(outcome);
                }
            }
        }
    }
}

// === impl Hops ===

impl<S, B, R, C> Hops<S, B, R, C> {
    pub(crate) fn new(service: S, request: Request<B>, walk: Arc<Walk>, classify: C) -> Self {
        Self {
            service,
            request,
            walk,
            classify,
            first: None,
            recovery: None,
            said: None,
            prefilled: None,
        }
    }

    /// Goes on as one who looks after an answer: an earlier group's outcome is forgotten.
    pub(crate) fn recovering(mut self: Box<Self>) -> Box<Self> {
        self.first = None;
        self.recovery = Some(FallbackReason::StreamRecovery);
        self
    }

    /// Says whether there is anyone to go on with an answer that breaks.
    pub(crate) fn may_go_on(&self) -> bool {
        self.walk.leads_anywhere()
    }

    /// Goes on after a failure as long as there is somewhere to go.
    fn weigh(&mut self, outcome: Outcome<R>) -> ControlFlow<Outcome<R>, Hop>
    where
        C: Classify,
    {
        let Some(failure) = judge(&self.classify, &outcome) else {
            return self.weigh_success(outcome);
        };
        if let Some(hop) = self.prefilled.take()
            && failure.kind() == FailureKind::BadRequest
            && !self.is_over()
        {
            return ControlFlow::Continue(self.without_prefill(hop));
        }
        match self.advance(&failure) {
            Some(hop) => {
                // A later group's failure ends here, and with it the connection that its response holds.
                self.first.get_or_insert_with(|| Box::new(outcome));
                ControlFlow::Continue(hop)
            }
            None => ControlFlow::Break(self.give_up(failure.kind(), outcome)),
        }
    }

    /// Takes an answer that was held back for a refusal, but only if another group may be asked after one.
    fn weigh_success(&mut self, outcome: Outcome<R>) -> ControlFlow<Outcome<R>, Hop> {
        let Some(refusal) = outcome.as_ref().ok().and_then(refusal) else {
            return ControlFlow::Break(outcome);
        };
        match self.advance(&refusal) {
            Some(hop) => {
                self.first.get_or_insert_with(|| Box::new(Err(refusal)));
                ControlFlow::Continue(hop)
            }
            None => ControlFlow::Break(outcome),
        }
    }

    /// Chooses the next group, as long as there is time.
    fn advance(&mut self, failure: &Failure) -> Option<Hop> {
        if self.is_over() {
            return None;
        }
        let Some(reason) = self.recovery else {
            return self.next(failure);
        };
        let hop = self.walk.stay(failure);
        let hop = hop.or_else(|| self.next(failure))?;
        Some(Hop { reason, ..hop })
    }

    fn next(&mut self, failure: &Failure) -> Option<Hop> {
        Arc::make_mut(&mut self.walk).advance(failure, self.request.extensions())
    }

    /// Says whether the deadline of the request has passed, so that no group is asked any more.
    fn is_over(&self) -> bool {
        let deadline = self.request.extensions().get::<Deadline>();
        let is_over = deadline.is_some_and(|deadline| !deadline.allows(Duration::ZERO));
        if is_over {
            tracing::debug!(
                target: "ziggurat::fallback",
                model_group = self.walk.origin().as_str(),
                reason = "the deadline comes first",
                "asking no other model group",
            );
        }
        is_over
    }

    /// Sends the request to the next group. The service must be ready.
    fn start(&mut self, hop: &Hop) -> S::Future
    where
        S: Service<Request<B>>,
        B: Clone,
    {
        if hop.is_first {
            self.walk.depart(hop);
        }
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
        if let Some(ahead) = self.walk.ahead() {
            request.extensions_mut().insert(ahead);
        }
        let prefill = self.prefill(hop, request.extensions());
        self.prefilled = prefill.is_some().then(|| hop.clone());
        if let Some(messages) = prefill {
            request.extensions_mut().insert(messages);
            request.extensions_mut().insert(Prefilled);
        }
        self.service.call(request)
    }

    /// Returns the parameters that let a group go on from what was said, if it is known to do so.
    fn prefill(&self, hop: &Hop, extensions: &Extensions) -> Option<Parameters> {
        let said = self.said.as_deref().filter(|_| hop.is_first)?;
        let takes = self.walk.takes_prefill(&hop.to.group);
        takes.then(|| prefill::begin(extensions, said)).flatten()
    }

    /// Asks a group that refused what was said before for the whole answer.
    fn without_prefill(&self, hop: Hop) -> Hop {
        tracing::debug!(
            target: "ziggurat::fallback",
            to = hop.to.group.as_str(),
            "the model group takes no prefill",
        );
        Hop {
            is_first: false,
            ..hop
        }
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
        *first
    }

    /// Returns the first group's outcome when no further call can be made.
    fn abandon(&mut self, failure: Failure) -> Outcome<R> {
        self.give_up(failure.kind(), Err(failure))
    }
}

/// Returns what a success tells that the provider held back, as the failure that it is if it can be cured.
fn refusal<R>(response: &Response<R>) -> Option<Failure> {
    let extensions = response.extensions();
    extensions.get::<ContentFiltered>()?;
    let failure = Failure::new(FailureKind::ContentPolicy)
        .with_message("the provider held back its answer because of its content");
    Some(match extensions.get::<DeploymentId>() {
        Some(deployment) => failure.with_deployment(deployment.clone()),
        None => failure,
    })
}

//! Waiting, where every endpoint that would take a request has been chosen once.

use std::{
    iter::empty,
    task::{Context, Poll},
    time::Duration,
};

use http::{Extensions, Request};
use tokio::time::Instant;
use tower_service::Service;
use ziggurat_core::{BoxError, Deadline, Failure, Tried};

use crate::{
    Balance,
    choose::Next,
    endpoint::Declared,
    future::State,
    job::{Busy, Job},
    queue::Queue,
    refusal::{self, Refusal},
    slots::{Came, Slots},
};

/// What a request waits for when every endpoint that would take it has been chosen once.
pub(crate) struct Wait<S> {
    /// Those that are not ready.
    pub(crate) queue: Queue<S>,
    /// Those that have no place or no room in their minute.
    pub(crate) busy: Vec<(usize, Busy)>,
    /// Places among them that are waited for.
    slots: Option<Slots>,
    /// How long they may be waited for; zero once that is over.
    patience: Duration,
    /// Since when they are.
    since: Option<Instant>,
}

impl<S, P, C> Balance<S, P, C> {
    /// Waits for those that are not ready, and as long as allowed for places.
    pub(crate) fn wait<B>(
        &self,
        request: Request<B>,
        mut wait: Wait<S>,
    ) -> Result<State<S, B, S::Future>, Failure>
    where
        S: Service<Request<B>>,
    {
        // All attempts in the group share one patience.
        if let Some(tried) = request.extensions().get::<Tried>() {
            let waited = tried.waited().for_place;
            wait.patience = wait.patience.saturating_sub(waited);
        }
        if let Some(deadline) = request.extensions().get::<Deadline>() {
            wait.patience = wait.patience.min(deadline.remaining());
        }
        let full = wait.busy.iter();
        let full: Vec<_> = full
            .filter(|(_, busy)| matches!(busy, Busy::Full))
            .map(|(index, _)| *index)
            .collect();
        for index in full {
            wait.for_place(index, self.endpoints()[index].declared());
        }
        if wait.is_over() {
            return Err(self.failure(&mut wait, request.extensions()));
        }
        let request = Some(request);
        Ok(State::Waiting { request, wait })
    }

    /// Goes on as soon as any of those waited for is ready and has a place.
    pub(crate) fn poll_wait<B>(
        &self,
        request: &mut Option<Request<B>>,
        wait: &mut Wait<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Next<S, B>>
    where
        S: Service<Request<B>> + Clone,
        S::Error: Into<BoxError>,
    {
        const TAKEN_ONCE: &str = "the request is there until the call begins or the future ends";
        let extensions = request.as_mut().expect(TAKEN_ONCE).extensions_mut();
        let came = match self.poll_queue(wait, extensions, cx) {
            None => self.poll_slots(wait, extensions, cx),
            came => came,
        };
        if came.is_some() || wait.is_over() {
            wait.tell(extensions);
        }
        if let Some((index, service, job)) = came {
            let request = request.take().expect(TAKEN_ONCE);
            let others = wait.queue.waiting();
            let left = |tried: &Tried, _: &Request<B>| self.left(index, others, empty(), tried);
            let state = self.begin(index, service, job, left, request);
            return Poll::Ready(Ok(state));
        }
        if wait.is_over() {
            return Poll::Ready(Err(self.failure(wait, extensions)));
        }
        Poll::Pending
    }

    fn poll_queue<Req>(
        &self,
        wait: &mut Wait<S>,
        extensions: &mut Extensions,
        cx: &mut Context<'_>,
    ) -> Option<(usize, S, Job)>
    where
        S: Service<Req>,
        S::Error: Into<BoxError>,
    {
        while let Poll::Ready(Some((index, service))) = wait.queue.poll(self.endpoints(), cx) {
            match self.occupy(index, None, extensions) {
                Ok(job) => return Some((index, service, job)),
                Err(busy) => {
                    wait.busy.push((index, busy));
                    if matches!(busy, Busy::Full) {
                        wait.for_place(index, self.endpoints()[index].declared());
                    }
                }
            }
        }
        None
    }

    fn poll_slots<Req>(
        &self,
        wait: &mut Wait<S>,
        extensions: &mut Extensions,
        cx: &mut Context<'_>,
    ) -> Option<(usize, S, Job)>
    where
        S: Service<Req> + Clone,
        S::Error: Into<BoxError>,
    {
        let enter = |index: usize| Job::enter(self.endpoints()[index].declared());
        while let Some(slots) = &mut wait.slots {
            let (index, place) = match slots.poll(cx, enter) {
                Poll::Ready(Came::Free(index, place)) => (index, place),
                Poll::Ready(Came::TooLate) => {
                    wait.slots = None;
                    wait.patience = Duration::ZERO;
                    return None;
                }
                Poll::Pending => return None,
            };
            slots.remove(index);
            if slots.is_empty() {
                wait.slots = None;
            }
            let Some(service) = wait.queue.try_now(self.endpoints(), index, cx) else {
                continue;
            };
            match self.occupy(index, Some(place), extensions) {
                Ok(job) => return Some((index, service, job)),
                Err(busy) => wait.busy.push((index, busy)),
            }
        }
        None
    }

    /// Says why there is nothing left to wait for.
    fn failure(&self, wait: &mut Wait<S>, extensions: &Extensions) -> Failure {
        if wait.busy.is_empty() {
            return wait.queue.failure();
        }
        let mut refusal = Refusal::default();
        for (index, busy) in &wait.busy {
            let declared = self.endpoints()[*index].declared();
            refusal.add(*index, refusal::busy(declared, *busy, extensions));
        }
        refusal.into_failure(self.endpoints())
    }
}

impl<S> Wait<S> {
    /// Waits at most so long for places.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            queue: Queue::new(),
            busy: Vec::new(),
            slots: None,
            patience,
            since: None,
        }
    }

    /// Waits for a place too, if there is time for that.
    fn for_place(&mut self, index: usize, declared: &Declared) {
        if !self.patience.is_zero() {
            self.since.get_or_insert_with(Instant::now);
            let slots = self.slots.get_or_insert_with(|| Slots::new(self.patience));
            slots.add(index, declared);
        }
    }

    /// Writes into the ledger how long places were waited for.
    fn tell(&mut self, extensions: &Extensions) {
        if let Some(since) = self.since.take()
            && let Some(tried) = extensions.get::<Tried>()
        {
            tried.wait_for_place(since.elapsed());
        }
    }

    fn is_over(&self) -> bool {
        self.queue.is_empty() && self.slots.is_none()
    }

    /// Says whether only services are waited for that have been polled already.
    pub(crate) fn was_polled(&self) -> bool {
        self.slots.is_none()
    }
}

use std::{task::Context, time::Duration};

use http::{Extensions, Request};
use tokio::time::sleep;
use tower_service::Service;
use ziggurat_core::{
    Admit, BoxError, Deadline, Failure, FailureKind, LastResort, LlmRequest, Tried,
    overrides::FallbackAhead, vitals::InFlight,
};

use crate::{
    Balance, Pick, TARGET,
    call::Call,
    future::State,
    job::{Busy, Job},
    left::Left,
    levels::Levels,
    ranking::Ranking,
    refusal::Refusal,
    wait::Wait,
};

/// What a future does next.
pub(crate) type Next<S, B> = Result<State<S, B, <S as Service<Request<B>>>::Future>, Failure>;

impl<S, P, C> Balance<S, P, C> {
    /// Chooses one endpoint after the other until one is ready and has a place, and calls it.
    pub(crate) fn choose<B>(
        &self,
        mut request: Request<B>,
        rested: &mut Duration,
        cx: &mut Context<'_>,
    ) -> Result<State<S, B, S::Future>, Failure>
    where
        S: Service<Request<B>> + Admit<Request<B>> + Clone,
        S::Error: Into<BoxError>,
        P: Pick,
    {
        let mut wait = Wait::new(self.options().max_parallel_wait);
        let guess = self.guess(&request);
        if let Some(index) = guess
            && let Some((service, job)) = self.attempt(index, &mut wait, &mut request, cx)
        {
            let left = |_: &Tried, request: &Request<B>| self.left_beside(index, request);
            return Ok(self.begin(index, service, job, left, request));
        }
        let mut ranking = match Ranking::of(self.endpoints(), self.options(), &request) {
            Ok(ranking) => ranking,
            // Whoever was chosen is waited for, though no one else takes the request.
            Err(_) if guess.is_some() => return self.wait(request, wait),
            Err(refusal) => {
                if let Some(rest) = self.rest(&refusal, request.extensions(), rested) {
                    let sleep = Box::pin(sleep(rest));
                    let request = Some(request);
                    return Ok(State::Resting { request, sleep });
                }
                let Some(index) = self.longest_ago(&refusal, request.extensions()) else {
                    return Err(refusal.into_failure(self.endpoints()));
                };
                request.extensions_mut().insert(LastResort);
                return match self.attempt(index, &mut wait, &mut request, cx) {
                    Some((service, job)) => {
                        let left = |_: &Tried, _: &Request<B>| Left::default();
                        Ok(self.begin(index, service, job, left, request))
                    }
                    None => self.wait(request, wait),
                };
            }
        };
        if let Some(index) = guess {
            ranking.remove(index);
        }
        while let Some(index) = ranking.draw(self.policy()) {
            if let Some((service, job)) = self.attempt(index, &mut wait, &mut request, cx) {
                let others = ranking.rest().chain(wait.queue.waiting());
                let used_up = ranking.used_up();
                let left = |tried: &Tried, _: &Request<B>| self.left(index, others, used_up, tried);
                return Ok(self.begin(index, service, job, left, request));
            }
        }
        self.wait(request, wait)
    }

    /// Makes an endpoint ready and takes a place there.
    fn attempt<B>(
        &self,
        index: usize,
        wait: &mut Wait<S>,
        request: &mut Request<B>,
        cx: &mut Context<'_>,
    ) -> Option<(S, Job)>
    where
        S: Service<Request<B>> + Clone,
        S::Error: Into<BoxError>,
    {
        let service = wait.queue.try_now(self.endpoints(), index, cx)?;
        let job = self.occupy(index, None, request.extensions_mut());
        match job {
            Ok(job) => Some((service, job)),
            Err(busy) => {
                wait.busy.push((index, busy));
                None
            }
        }
    }

    /// Takes a place, unless it has been taken already, and counts the request.
    pub(crate) fn occupy(
        &self,
        index: usize,
        place: Option<InFlight>,
        extensions: &mut Extensions,
    ) -> Result<Job, Busy> {
        let declared = self.endpoints()[index].declared();
        let place = place.or_else(|| Job::enter(declared)).ok_or(Busy::Full);
        let job = place.and_then(|place| {
            let enforce = self.options().enforce_limits;
            Job::begin(place, declared, self.needs(), enforce, extensions).map_err(Busy::Exhausted)
        });
        job.inspect_err(|busy| {
            tracing::debug!(
                target: TARGET,
                deployment = %declared.id,
                reason = busy.as_str(),
                "deployment is busy, passed over"
            );
        })
    }

    /// Returns how long to sleep until the first endpoint returns, if that is worth it.
    fn rest(
        &self,
        refusal: &Refusal,
        extensions: &Extensions,
        rested: &mut Duration,
    ) -> Option<Duration> {
        // A wait of nothing would ask again and again in one poll.
        const LEAST: Duration = Duration::from_millis(1);
        let limit = self.options().cooldown_wait;
        if limit.is_zero()
            || refusal.kind() != FailureKind::CoolingDown
            || is_fallback_ahead(extensions)
        {
            return None;
        }
        let wait = refusal.retry_after()?.max(LEAST);
        // All attempts in the group share one patience.
        let tried = extensions.get::<Tried>();
        let spent = tried.map_or(*rested, |tried| tried.waited().for_rest);
        let deadline = extensions.get::<Deadline>();
        if wait > limit.saturating_sub(spent)
            || !deadline.is_none_or(|deadline| deadline.allows(wait))
        {
            return None;
        }
        tracing::debug!(
            target: TARGET,
            wait_ms = wait.as_millis(),
            "all deployments rest, waiting for the first"
        );
        match tried {
            Some(tried) => tried.wait_for_rest(wait),
            None => *rested += wait,
        }
        Some(wait)
    }

    /// Returns the endpoint to ask as the last resort.
    fn longest_ago(&self, refusal: &Refusal, extensions: &Extensions) -> Option<usize> {
        if !self.options().last_resort || is_fallback_ahead(extensions) {
            return None;
        }
        let tried = extensions.get::<Tried>();
        let was_there = |index: usize| {
            tried.is_some_and(|tried| tried.last_on(self.endpoints()[index].id()).is_some())
        };
        // One call finds out whether it answers: who rests is not to bear the requests of the whole group.
        let is_idle = |index: usize| {
            let load = self.endpoints()[index].declared().vitals.load();
            load.in_flight() == 0
        };
        let failed = refusal
            .rejections()
            .iter()
            .filter_map(|(index, rejection)| {
                let failed = rejection.last_resort()?;
                let may = !was_there(*index) && is_idle(*index);
                may.then_some((failed, *index))
            });
        let (_, index) = failed.min()?;
        tracing::debug!(
            target: TARGET,
            deployment = %self.endpoints()[index].id(),
            "all deployments rest, calling the one that failed longest ago"
        );
        Some(index)
    }

    /// Sorts those that would have taken the request as well, if need be without room for it.
    pub(crate) fn left(
        &self,
        index: usize,
        others: impl Iterator<Item = usize>,
        used_up: impl Iterator<Item = usize>,
        tried: &Tried,
    ) -> Left {
        let declared = |index: usize| &**self.endpoints()[index].declared();
        let levels = match self.pool().is_ordered() {
            true => Levels::of(tried).with(declared(index).level()),
            false => Levels::default().with(f64::INFINITY),
        };
        let others = others.map(|index| (declared(index), true));
        let others = others.chain(used_up.map(|index| (declared(index), false)));
        tried.read(|attempts| Left::of(declared(index), others, attempts, levels))
    }

    /// Calls an endpoint; `left` tells where the request could have gone as well.
    pub(crate) fn begin<B>(
        &self,
        index: usize,
        service: S,
        mut job: Job,
        left: impl FnOnce(&Tried, &Request<B>) -> Left,
        request: Request<B>,
    ) -> State<S, B, S::Future>
    where
        S: Service<Request<B>>,
    {
        if self.needs().latency {
            let stream = request.extensions().get().is_some_and(LlmRequest::stream);
            job.time(stream);
        }
        let chosen = self.endpoints()[index].declared();
        let (call, future) = Call::begin(service, chosen, left, request, job);
        let call = Some(call);
        State::Calling { call, future }
    }
}

/// Says whether another group is asked if all rest.
fn is_fallback_ahead(extensions: &Extensions) -> bool {
    let ahead = extensions.get::<FallbackAhead>();
    ahead.is_some_and(|ahead| ahead.follows(FailureKind::CoolingDown, extensions))
}

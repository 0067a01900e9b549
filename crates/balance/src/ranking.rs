use std::cmp::Reverse;

use http::{Extensions, Request};
use tokio::time::Instant;
use ziggurat_core::{
    Admit, Attempt, FailureKind, LlmRequest, Rejection, Tried, overrides::Excluded,
    vitals::Exhausted,
};

use crate::{
    Candidate, Endpoint, Pick, TARGET,
    candidates::{Candidates, sort_by_order},
    demand,
    endpoint::Declared,
    job::Busy,
    levels::Levels,
    options::Options,
    refusal::{self, Refusal},
    tags::Filter,
};

/// How good a choice an endpoint is for a request, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Not tried yet in this request.
    Untried,
    /// Not tried yet, but its origin asked this request for a wait that is over then.
    Limited(Instant),
    /// Tried.
    Tried {
        /// The number of the last attempt there.
        last: usize,
        /// When the wait is over that it, or another of its origin, asked for.
        rests: Option<Instant>,
    },
}

/// The endpoints that would take a request, from which one after the other is drawn.
pub(crate) struct Ranking<'a> {
    untried: Candidates<'a>,
    limited: Vec<Candidate<'a>>,
    /// Untried, but they have used up their minute. A limit that only weighs keeps no one from asking them before those
    /// that have failed.
    used_up: Vec<Candidate<'a>>,
    /// With the end of the wait that runs and the number of the last attempt. The best last, where they are taken from.
    tried: Vec<(Option<Instant>, usize, Candidate<'a>)>,
    /// Whether any has an order.
    ordered: bool,
    levels: Levels,
}

/// Endpoints that would take a request and are passed over as long as there is a better one.
#[derive(Default)]
struct PassedOver {
    /// Yield to others.
    yielding: Vec<usize>,
    /// Have used up their minute.
    used_up: Vec<(usize, Exhausted)>,
    /// Their last health check failed.
    failing: Vec<usize>,
    both: Vec<(usize, Exhausted)>,
}

// === impl Class ===

impl Class {
    pub(crate) fn of(declared: &Declared, attempts: &[Attempt]) -> Self {
        let here = |attempt: &Attempt| attempt.deployment.as_ref() == Some(&declared.id);
        let last = attempts.iter().rposition(here);
        let asks = |attempt: &&Attempt| {
            declared.origin.is_some() && attempt.origin == declared.origin || here(attempt)
        };
        let waits = attempts.iter().filter(asks).filter_map(Attempt::not_before);
        let rests = waits.max().filter(|until| *until > Instant::now());
        match (last, rests) {
            (Some(last), rests) => Self::Tried { last, rests },
            (None, Some(until)) => Self::Limited(until),
            (None, None) => Self::Untried,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Untried => "untried",
            Self::Limited(_) => "limited",
            Self::Tried { .. } => "tried",
        }
    }
}

// === impl Ranking ===

impl<'a> Ranking<'a> {
    /// Asks every endpoint whether it would take the request.
    pub(crate) fn of<S, B>(
        endpoints: &'a [Endpoint<S>],
        options: Options,
        request: &Request<B>,
    ) -> Result<Self, Refusal>
    where
        S: Admit<Request<B>>,
    {
        let Some(first) = endpoints.first() else {
            return Err(Refusal::default());
        };
        let extensions = request.extensions();
        let stream = extensions.get().is_some_and(LlmRequest::stream);
        let tried = extensions
            .get::<Tried>()
            .filter(|tried| tried.attempts() > 0);
        let mut ranking = Self {
            untried: Candidates::new(Candidate::new(0, first.declared(), stream)),
            limited: Vec::new(),
            used_up: Vec::new(),
            tried: Vec::new(),
            ordered: false,
            levels: tried.map_or_else(Levels::default, Levels::of),
        };
        let candidate = |index: usize| Candidate::new(index, endpoints[index].declared(), stream);
        let filter = Filter::of(options.tags, endpoints, extensions);
        let mut refusal = Refusal::default();
        let mut passed = PassedOver::default();
        let excluded = extensions.get::<Excluded>();
        for (index, endpoint) in endpoints.iter().enumerate() {
            if !filter.allows(endpoint.declared()) {
                continue;
            }
            if excluded.is_some_and(|Excluded(ids)| ids.contains(endpoint.id())) {
                refusal.add(index, Rejection::new(FailureKind::NoCandidate));
                continue;
            }
            let (admitted, yields) = match endpoint.get_ref().admit(request) {
                Err(rejection) if rejection.yields() => (Ok(()), true),
                admitted => (admitted, false),
            };
            let declared = endpoint.declared();
            match admitted {
                Ok(()) if passed.take(index, declared, yields, options, extensions) => {}
                Ok(()) => ranking.add(candidate(index), tried),
                Err(rejection) => {
                    tell_rejection(endpoint, &rejection);
                    refusal.add(index, rejection);
                }
            }
        }
        passed.tell(endpoints);
        if ranking.is_empty() {
            for index in passed.next(options.enforce_limits) {
                ranking.add(candidate(index), tried);
            }
        } else if !options.enforce_limits {
            let used_up = passed.used_up.iter().map(|(index, _)| candidate(*index));
            let is_untried = |it: &Candidate<'_>| !matches!(class(it, tried), Class::Tried { .. });
            ranking.used_up.extend(used_up.filter(is_untried));
        }
        if ranking.is_empty() {
            if options.enforce_limits {
                passed.refuse(endpoints, extensions, &mut refusal);
            }
            if refusal.rejections().is_empty() {
                refusal.add(0, filter.rejection(extensions));
            }
            return Err(refusal);
        }
        ranking.sort();
        Ok(ranking)
    }

    fn add(&mut self, candidate: Candidate<'a>, tried: Option<&Tried>) {
        let class = class(&candidate, tried);
        self.ordered |= candidate.order().is_some();
        let is_left = self.levels.is_left(candidate.declared().level());
        match class {
            Class::Untried if !is_left => self.untried.push(candidate),
            Class::Untried | Class::Limited(_) => self.limited.push(candidate),
            Class::Tried { last, rests } => self.tried.push((rests, last, candidate)),
        }
    }

    fn sort(&mut self) {
        if self.ordered {
            self.untried.sort_by_order();
            sort_by_order(&mut self.limited);
            sort_by_order(&mut self.used_up);
            let is_left = |it: &Candidate<'_>| self.levels.is_left(it.declared().level());
            self.limited.sort_by_key(is_left);
        }
        let key = |&(rests, last, _): &(Option<Instant>, usize, Candidate<'a>)| (rests, last);
        self.tried.sort_unstable_by_key(|tried| Reverse(key(tried)));
    }

    /// Draws the next: as the policy picks among the untried of the lowest order, then among the limited and those of
    /// an order that the request has left, then among those without room; then of the tried the one that asks for no wait, or whose wait is over
    /// first, and of several the one tried longest ago.
    pub(crate) fn draw(&mut self, policy: &impl Pick) -> Option<usize> {
        let drawn = if !self.untried.as_slice().is_empty() {
            let place = place(policy, self.turn(self.untried.as_slice()));
            self.untried.remove(place)
        } else if !self.limited.is_empty() {
            let place = place(policy, self.turn(&self.limited));
            self.limited.remove(place)
        } else if !self.used_up.is_empty() {
            let place = place(policy, self.turn(&self.used_up));
            self.used_up.remove(place)
        } else {
            self.tried.pop()?.2
        };
        Some(drawn.index())
    }

    /// Takes out one of the untried that was chosen without it.
    pub(crate) fn remove(&mut self, index: usize) {
        let mut untried = self.untried.as_slice().iter();
        if let Some(place) = untried.position(|candidate| candidate.index() == index) {
            self.untried.remove(place);
        }
    }

    /// Returns those whose turn it is: the first and all of the same order.
    fn turn<'b>(&self, candidates: &'b [Candidate<'a>]) -> &'b [Candidate<'a>] {
        if !self.ordered {
            return candidates;
        }
        let order = candidates.first().and_then(Candidate::order);
        let others = candidates.iter().position(|it| it.order() != order);
        &candidates[..others.unwrap_or(candidates.len())]
    }

    /// Returns those without room that were not drawn yet: they come after all that [`Self::rest`] has but the tried.
    pub(crate) fn used_up(&self) -> impl Iterator<Item = usize> {
        self.used_up.iter().map(Candidate::index)
    }

    /// Returns those with room that were not drawn yet.
    pub(crate) fn rest(&self) -> impl Iterator<Item = usize> {
        let tried = self.tried.iter().map(|(_, _, candidate)| candidate);
        let untried = self.untried.as_slice().iter().chain(&self.limited);
        untried.chain(tried).map(Candidate::index)
    }

    fn is_empty(&self) -> bool {
        self.rest().next().is_none()
    }
}

fn class(candidate: &Candidate<'_>, tried: Option<&Tried>) -> Class {
    // The ledger is locked anew for each: it must be free while a service is asked.
    tried.map_or(Class::Untried, |tried| {
        tried.read(|attempts| Class::of(candidate.declared(), attempts))
    })
}

// === impl PassedOver ===

impl PassedOver {
    /// Takes an endpoint that would take the request, if it is to be passed over; `yields` if it is for others first.
    fn take(
        &mut self,
        index: usize,
        declared: &Declared,
        yields: bool,
        options: Options,
        extensions: &Extensions,
    ) -> bool {
        let room = declared.has_room(|| demand::tokens(extensions));
        let is_failing = declared.vitals.health().is_failing(options.staleness);
        match (is_failing, room) {
            (false, Ok(())) if yields => self.yielding.push(index),
            (false, Ok(())) => return false,
            (true, Ok(())) => self.failing.push(index),
            (false, Err(exhausted)) => self.used_up.push((index, exhausted)),
            (true, Err(exhausted)) => self.both.push((index, exhausted)),
        }
        true
    }

    /// Returns the next best: limits only weigh unless they are enforced, health checks always do.
    fn next(&self, enforce: bool) -> Vec<usize> {
        let weighed = |used_up: &[(usize, Exhausted)]| match enforce {
            true => Vec::new(),
            false => used_up.iter().map(|(index, _)| *index).collect(),
        };
        let turns = [
            weighed(&self.used_up),
            self.yielding.clone(),
            self.failing.clone(),
            weighed(&self.both),
        ];
        let mut turns = turns.into_iter();
        turns.find(|next| !next.is_empty()).unwrap_or_default()
    }

    /// Refuses the request for those that have used up their minute.
    fn refuse<S>(&self, endpoints: &[Endpoint<S>], extensions: &Extensions, refusal: &mut Refusal) {
        for (index, exhausted) in self.used_up.iter().chain(&self.both) {
            let busy = Busy::Exhausted(*exhausted);
            let declared = endpoints[*index].declared();
            refusal.add(*index, refusal::busy(declared, busy, extensions));
        }
    }

    fn tell<S>(&self, endpoints: &[Endpoint<S>]) {
        for (index, exhausted) in self.used_up.iter().chain(&self.both) {
            tracing::debug!(
                target: TARGET,
                deployment = %endpoints[*index].id(),
                limit = exhausted.name,
                "deployment has used up its minute"
            );
        }
        for index in &self.failing {
            tracing::debug!(
                target: TARGET,
                deployment = %endpoints[*index].id(),
                "deployment failed its health check"
            );
        }
    }
}

fn tell_rejection<S>(endpoint: &Endpoint<S>, rejection: &Rejection) {
    tracing::debug!(
        target: TARGET,
        deployment = %endpoint.id(),
        error.type = rejection.kind().as_str(),
        "deployment does not admit the request"
    );
}

fn place(policy: &impl Pick, candidates: &[Candidate<'_>]) -> usize {
    if candidates.len() < 2 {
        return 0;
    }
    let place = policy.pick(candidates);
    if place >= candidates.len() {
        tracing::warn!(
            target: TARGET,
            place,
            candidates = candidates.len(),
            "the policy picked a place beyond the end, the first candidate is taken"
        );
        return 0;
    }
    place
}

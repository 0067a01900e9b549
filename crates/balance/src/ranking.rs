use http::Request;
use tokio::time::Instant;
use ziggurat_core::{Admit, Attempt, Tried};

use crate::{
    Candidate, Endpoint, Pick, TARGET, candidates::Candidates, endpoint::Declared, refusal::Refusal,
};

/// How good a choice an endpoint is for a request, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Not tried yet in this request.
    Untried,
    /// Not tried yet, but its origin asked this request for a wait that is over then.
    Limited(Instant),
    /// Tried; the number of the last attempt there.
    Tried(usize),
}

/// The endpoints that would take a request, from which one after the other is drawn.
pub(crate) struct Ranking<'a> {
    untried: Candidates<'a>,
    limited: Vec<Candidate<'a>>,
    /// With the number of the last attempt; latest first, as they are taken from the end.
    tried: Vec<(usize, Candidate<'a>)>,
}

// === impl Class ===

impl Class {
    pub(crate) fn of(declared: &Declared, attempts: &[Attempt]) -> Self {
        let here = |attempt: &Attempt| attempt.deployment.as_ref() == Some(&declared.id);
        if let Some(last) = attempts.iter().rposition(here) {
            return Self::Tried(last);
        }
        let shares_limits =
            |attempt: &&Attempt| declared.origin.is_some() && attempt.origin == declared.origin;
        let waits = attempts.iter().filter(shares_limits);
        match waits.filter_map(Attempt::not_before).max() {
            Some(until) if until > Instant::now() => Self::Limited(until),
            _ => Self::Untried,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Untried => "untried",
            Self::Limited(_) => "limited",
            Self::Tried(_) => "tried",
        }
    }
}

// === impl Ranking ===

impl<'a> Ranking<'a> {
    /// Asks every endpoint whether it would take the request.
    pub(crate) fn of<S, B>(
        endpoints: &'a [Endpoint<S>],
        request: &Request<B>,
    ) -> Result<Self, Refusal>
    where
        S: Admit<Request<B>>,
    {
        let Some(first) = endpoints.first() else {
            return Err(Refusal::default());
        };
        let mut ranking = Self {
            untried: Candidates::new(Candidate::new(0, first.declared())),
            limited: Vec::new(),
            tried: Vec::new(),
        };
        let tried = request
            .extensions()
            .get::<Tried>()
            .filter(|tried| tried.attempts() > 0);
        let mut refusal = Refusal::default();
        for (index, endpoint) in endpoints.iter().enumerate() {
            match endpoint.get_ref().admit(request) {
                Ok(()) => ranking.add(Candidate::new(index, endpoint.declared()), tried),
                Err(rejection) => {
                    tracing::debug!(
                        target: TARGET,
                        deployment = %endpoint.id(),
                        error.type = rejection.kind().as_str(),
                        "deployment does not admit the request"
                    );
                    refusal.add(&rejection);
                }
            }
        }
        ranking.tried.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        if ranking.is_empty() {
            return Err(refusal);
        }
        Ok(ranking)
    }

    fn add(&mut self, candidate: Candidate<'a>, tried: Option<&Tried>) {
        // The ledger is locked anew for each: it must be free while a service is asked.
        let class = tried.map_or(Class::Untried, |tried| {
            tried.read(|attempts| Class::of(candidate.declared(), attempts))
        });
        match class {
            Class::Untried => self.untried.push(candidate),
            Class::Limited(_) => self.limited.push(candidate),
            Class::Tried(last) => self.tried.push((last, candidate)),
        }
    }

    /// Draws the next: as the policy picks among the untried, then among the limited; then the one tried longest ago.
    pub(crate) fn draw(&mut self, policy: &impl Pick) -> Option<usize> {
        let drawn = if !self.untried.as_slice().is_empty() {
            let place = place(policy, self.untried.as_slice());
            self.untried.remove(place)
        } else if !self.limited.is_empty() {
            let place = place(policy, &self.limited);
            self.limited.remove(place)
        } else {
            self.tried.pop()?.1
        };
        Some(drawn.index())
    }

    /// Returns those not drawn yet.
    pub(crate) fn rest(&self) -> impl Iterator<Item = usize> {
        let tried = self.tried.iter().map(|(_, candidate)| candidate);
        let untried = self.untried.as_slice().iter().chain(&self.limited);
        untried.chain(tried).map(Candidate::index)
    }

    fn is_empty(&self) -> bool {
        self.rest().next().is_none()
    }
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

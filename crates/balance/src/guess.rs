//! The short way to a choice: one endpoint is chosen from all, and then asked.
//!
//! Asking all whether they would take a request costs more the more there are. A policy that chooses among some as it
//! does among all (given that it chooses one of them) need not know beforehand who takes it. Be `p(i)` the chance of
//! endpoint `i` among all, and `P` the sum of those that take the request. The one chosen from all is `i` with `p(i)`,
//! and with `1 - P` someone who does not take it, after which all are asked and `i` is chosen with `p(i) / P`. Together
//! that is `p(i) + (1 - P) p(i) / P = p(i) / P`: what asking all at once would have given.

use http::Request;
use ziggurat_core::{Admit, LlmRequest, Tried, overrides::Excluded};

use crate::{Balance, Candidate, Pick, demand, left::Left, tags::Filter};

impl<S, P, C> Balance<S, P, C> {
    /// Chooses one that takes the request, if no other could have to come before it whatever the policy says.
    pub(crate) fn guess<B>(&self, request: &Request<B>) -> Option<usize>
    where
        S: Admit<Request<B>>,
        P: Pick,
    {
        let pool = self.pool();
        let tried = request.extensions().get::<Tried>();
        let by_health = !self.options().staleness.is_zero();
        let was_elsewhere = tried.is_some_and(|tried| tried.attempts() > 0);
        let excludes = request.extensions().get::<Excluded>().is_some();
        if by_health || pool.is_ordered() || was_elsewhere || excludes {
            return None;
        }
        let filter = self.filter(request);
        let index = match pool.len() {
            0 => return None,
            1 => 0,
            count => match self.policy().draw_two(count) {
                Some(two) => return self.better_of(two, filter, request),
                None => self.policy().guess(pool)?,
            },
        };
        self.takes(index, filter, request).then_some(index)
    }

    /// Lets the policy choose between two, if both take the request: of all pairs that do, each is drawn as often as if the
    /// others were not there.
    fn better_of<B>(
        &self,
        two: [usize; 2],
        filter: Filter<'_>,
        request: &Request<B>,
    ) -> Option<usize>
    where
        S: Admit<Request<B>>,
        P: Pick,
    {
        if two[0] == two[1] || !two.iter().all(|&index| self.takes(index, filter, request)) {
            return None;
        }
        let stream = request.extensions().get().is_some_and(LlmRequest::stream);
        // In the order of the endpoints, as always.
        let two = [two[0].min(two[1]), two[0].max(two[1])];
        let candidate =
            |index: usize| Candidate::new(index, self.endpoints()[index].declared(), stream);
        two.get(self.policy().pick(&two.map(candidate))).copied()
    }

    /// Says who else would have taken a request that has been nowhere before.
    pub(crate) fn left_beside<B>(&self, index: usize, request: &Request<B>) -> Left
    where
        S: Admit<Request<B>>,
    {
        let filter = self.filter(request);
        // A limit that only weighs does not keep a retry away.
        let takes = |other| match self.options().enforce_limits {
            true => self.takes(other, filter, request),
            false => self.admits(other, filter, request),
        };
        let (here, elsewhere) = self.pool().others(index, takes);
        Left {
            here,
            elsewhere,
            ..Left::default()
        }
    }

    fn filter<'a, B>(&self, request: &'a Request<B>) -> Filter<'a> {
        Filter::of(self.options().tags, self.endpoints(), request.extensions())
    }

    fn takes<B>(&self, index: usize, filter: Filter<'_>, request: &Request<B>) -> bool
    where
        S: Admit<Request<B>>,
    {
        let tokens = || demand::tokens(request.extensions());
        let has_room = |index: usize| self.endpoints()[index].declared().has_room(tokens).is_ok();
        self.admits(index, filter, request) && has_room(index)
    }

    fn admits<B>(&self, index: usize, filter: Filter<'_>, request: &Request<B>) -> bool
    where
        S: Admit<Request<B>>,
    {
        // A policy may guess a place beyond the end.
        self.endpoints().get(index).is_some_and(|endpoint| {
            filter.allows(endpoint.declared()) && endpoint.get_ref().admit(request).is_ok()
        })
    }
}

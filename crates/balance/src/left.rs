use tokio::time::Instant;
use ziggurat_core::Attempt;

use crate::{endpoint::Declared, ranking::Class};

/// Where else a request could have gone, for its ledger.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) here: bool,
    pub(crate) elsewhere: bool,
    pub(crate) resting_until: Option<Instant>,
    pub(crate) tried: Vec<usize>,
}

impl Left {
    /// Sorts those that would have taken it as well.
    pub(crate) fn of<'a>(
        chosen: &Declared,
        others: impl Iterator<Item = &'a Declared>,
        attempts: &[Attempt],
    ) -> Self {
        let mut left = Self::default();
        for other in others {
            match Class::of(other, attempts) {
                Class::Tried { last, .. } => left.tried.push(last),
                _ if chosen.shares_origin(other) => left.here = true,
                Class::Limited(until) => lower(&mut left.resting_until, until),
                Class::Untried => left.elsewhere = true,
            }
        }
        left.tried.sort_unstable();
        left
    }

    pub(crate) fn write(self, attempt: &mut Attempt) {
        attempt.untried_here = self.here;
        attempt.untried_elsewhere = self.elsewhere;
        attempt.resting_until = self.resting_until;
        attempt.tried_others = self.tried;
    }
}

fn lower<T: Ord + Copy>(least: &mut Option<T>, other: T) {
    *least = Some(least.map_or(other, |least| least.min(other)));
}

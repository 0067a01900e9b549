use tokio::time::Instant;
use ziggurat_core::Attempt;

use crate::{endpoint::Declared, levels::Levels, ranking::Class};

/// Where else a request could have gone, for its ledger.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) here: bool,
    pub(crate) elsewhere: bool,
    pub(crate) resting_until: Option<Instant>,
    pub(crate) tried: Vec<usize>,
    /// Any of a higher order than all that were tried.
    pub(crate) higher: bool,
    /// Such a one is next.
    pub(crate) higher_next: bool,
}

/// Whether any are left, and whether any of a higher order are.
#[derive(Default)]
struct Seen {
    lower: bool,
    higher: bool,
}

impl Left {
    /// Sorts those that would have taken it as well, and whether they have room for it.
    pub(crate) fn of<'a>(
        chosen: &Declared,
        others: impl Iterator<Item = (&'a Declared, bool)>,
        attempts: &[Attempt],
        levels: Levels,
    ) -> Self {
        let mut left = Self::default();
        let (mut first, mut later) = (Seen::default(), Seen::default());
        for (other, has_room) in others {
            let class = Class::of(other, attempts);
            let level = other.level();
            match class {
                Class::Tried { .. } => {}
                Class::Untried if has_room && !levels.is_left(level) => {
                    first.add(levels.is_higher(level))
                }
                _ => later.add(levels.is_higher(level)),
            }
            match class {
                Class::Tried { last, .. } => left.tried.push(last),
                _ if chosen.shares_origin(other) => left.here = true,
                Class::Limited(until) => lower(&mut left.resting_until, until),
                Class::Untried => left.elsewhere = true,
            }
        }
        left.tried.sort_unstable();
        left.higher = first.higher || later.higher;
        let next = if first.any() { first } else { later };
        left.higher_next = next.higher && !next.lower;
        left
    }

    pub(crate) fn write(self, attempt: &mut Attempt) {
        attempt.untried_here = self.here;
        attempt.untried_elsewhere = self.elsewhere;
        attempt.resting_until = self.resting_until;
        attempt.tried_others = self.tried;
        attempt.higher_order = self.higher;
        attempt.higher_order_next = self.higher_next;
    }
}

impl Seen {
    fn add(&mut self, higher: bool) {
        self.higher |= higher;
        self.lower |= !higher;
    }

    fn any(&self) -> bool {
        self.lower || self.higher
    }
}

fn lower<T: Ord + Copy>(least: &mut Option<T>, other: T) {
    *least = Some(least.map_or(other, |least| least.min(other)));
}

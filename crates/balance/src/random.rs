use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::Candidate;

/// A generator that its clones share: a counter that is never locked.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: Arc<AtomicU64>,
}

impl Random {
    pub(crate) fn new() -> Self {
        Self::seeded(fastrand::u64(..))
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            state: Arc::new(AtomicU64::new(seed)),
        }
    }

    /// SplitMix64 of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014), with the
    /// constants of Vigna's public domain version. Its state is a counter, so a single `fetch_add` draws a number.
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.state.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Draws a number in `[0, 1)`: the 53 bits that an `f64` holds.
    pub(crate) fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Draws a number below `end`, which is not 0. The bias is `end` in 2^64.
    pub(crate) fn below(&self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// Draws one of a few, each as likely as the others.
    pub(crate) fn one_of<T>(&self, all: impl Iterator<Item = T>) -> Option<T> {
        let mut drawn = None;
        for (before, one) in all.enumerate() {
            if before == 0 || self.below(before + 1) == 0 {
                drawn = Some(one);
            }
        }
        drawn
    }

    /// Returns the place of the candidate with the lowest value, any of them if several share it.
    pub(crate) fn lowest<'a, T: PartialOrd>(
        &self,
        candidates: impl Iterator<Item = Candidate<'a>> + Clone,
        value: impl Fn(&Candidate<'_>) -> T,
    ) -> usize {
        let mut all = candidates.clone().map(|it| value(&it)).enumerate();
        let Some((mut last, mut lowest)) = all.next() else {
            return 0;
        };
        let mut ties = 1;
        for (place, value) in all {
            if value < lowest {
                (last, lowest, ties) = (place, value, 1);
            } else if value == lowest {
                (last, ties) = (place, ties + 1);
            }
        }
        if ties == 1 {
            return last;
        }
        let all = candidates.map(|it| value(&it)).enumerate();
        let mut tied = all.filter(|(_, value)| *value <= lowest);
        // Values may have changed meanwhile: then it is one that was among the lowest.
        tied.nth(self.below(ties)).map_or(last, |(place, _)| place)
    }
}

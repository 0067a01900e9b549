use crate::{Candidate, Pick, random::Random};

/// Picks the one with the fewest calls in flight in this process, any of them if several have as few.
///
/// A call is in flight until its response body has ended or was dropped.
#[derive(Clone, Debug)]
pub struct LeastBusy {
    random: Random,
}

impl LeastBusy {
    /// Starts from a random seed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            random: Random::new(),
        }
    }

    /// Starts from this seed: the same seed gives the same choices.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            random: Random::seeded(seed),
        }
    }
}

impl Default for LeastBusy {
    fn default() -> Self {
        Self::new()
    }
}

impl Pick for LeastBusy {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        self.random.lowest(candidates, |candidate| {
            candidate.vitals().load().in_flight()
        })
    }
}

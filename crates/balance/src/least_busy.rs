use crate::{Candidate, Pick, Pool, random::Random};

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
        self.random.lowest(candidates.iter().copied(), in_flight)
    }

    // Who is the lowest of all is the lowest of any it is one of.
    fn guess(&self, all: &Pool) -> Option<usize> {
        Some(self.random.lowest(all.iter(), in_flight))
    }
}

fn in_flight(candidate: &Candidate<'_>) -> u32 {
    candidate.vitals().load().in_flight()
}

use crate::{Candidate, Needs, Pick, Pool, random::Random};

/// Picks the one that has used the fewest tokens in its current minute, any of them if several have used as few.
///
/// Tokens of running calls are estimated until the upstream tells: a quarter of the prompt's bytes, and `max_tokens`.
#[derive(Clone, Debug)]
pub struct UsageBased {
    random: Random,
}

impl UsageBased {
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

impl Default for UsageBased {
    fn default() -> Self {
        Self::new()
    }
}

impl Pick for UsageBased {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        self.random.lowest(candidates.iter().copied(), tokens)
    }

    // Who is the lowest of all is the lowest of any it is one of.
    fn guess(&self, all: &Pool) -> Option<usize> {
        Some(self.random.lowest(all.iter(), tokens))
    }

    fn needs(&self) -> Needs {
        Needs::default().tokens()
    }
}

fn tokens(candidate: &Candidate<'_>) -> u64 {
    candidate.vitals().load().used().tokens
}

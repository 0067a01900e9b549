use std::time::Duration;

use crate::{Candidate, Needs, Pick, random::Random};

/// The latency of a deployment that has not answered yet: linkerd's default.
const UNSEEN: Duration = Duration::from_millis(30);

/// Picks the better of two drawn at random: the one with less latency times calls in flight.
///
/// The latency is a peak-sensitive moving average of the time to the head of the response: one slow answer counts at
/// once, and is forgotten with a time constant of ten seconds. Each failure counts as 100 seconds, a timeout as 1000.
#[derive(Clone, Debug)]
pub struct PeakEwma {
    random: Random,
}

impl PeakEwma {
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

    fn two_of(&self, count: usize) -> [usize; 2] {
        let one = self.random.below(count);
        // Any other place but the first one.
        let other = (one + 1 + self.random.below(count - 1)) % count;
        [one, other]
    }
}

impl Default for PeakEwma {
    fn default() -> Self {
        Self::new()
    }
}

impl Pick for PeakEwma {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        let [one, other] = self.two_of(candidates.len());
        if cost(&candidates[other]) < cost(&candidates[one]) {
            other
        } else {
            one
        }
    }

    fn draw_two(&self, count: usize) -> Option<[usize; 2]> {
        Some(self.two_of(count))
    }

    fn needs(&self) -> Needs {
        Needs::default().latency()
    }
}

fn cost(candidate: &Candidate<'_>) -> f64 {
    let load = candidate.vitals().load();
    let latency = load.peak_latency().unwrap_or(UNSEEN);
    latency.as_secs_f64() * (f64::from(load.in_flight()) + 1.0)
}

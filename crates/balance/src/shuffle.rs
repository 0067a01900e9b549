use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{Candidate, Pick, TARGET};

/// Picks at random, weighted by what is declared.
///
/// The weights are those of the first metric of `weight`, `rpm` and `tpm` for which any candidate has more than zero.
/// A candidate that does not declare it gets the mean of those that do, zeros included; one that declares zero is
/// chosen only if it is alone. Without any metric all candidates are equal. Each choice is independent of the others.
///
/// Clones share one generator, a counter that is never locked.
#[derive(Clone, Debug)]
pub struct Shuffle {
    state: Arc<AtomicU64>,
}

/// What weights can be taken from, in order of precedence.
#[derive(Clone, Copy, Debug)]
enum Metric {
    Weight,
    Rpm,
    Tpm,
}

/// How the chances are shared out among some candidates.
struct Scale {
    metric: Metric,
    /// The largest value, by which all are divided: a sum of huge values would not be finite.
    largest: f64,
    /// The share of a candidate that declares nothing.
    mean: f64,
    total: f64,
}

// === impl Shuffle ===

impl Shuffle {
    /// Starts from a random seed.
    #[must_use]
    pub fn new() -> Self {
        Self::seeded(fastrand::u64(..))
    }

    /// Starts from this seed: the same seed gives the same choices.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
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
    fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Default for Shuffle {
    fn default() -> Self {
        Self::new()
    }
}

impl Pick for Shuffle {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        let drawn = self.unit();
        match Scale::of(candidates) {
            Some(scale) => scale.at(candidates, drawn),
            None => (drawn * candidates.len() as f64) as usize,
        }
    }

    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        let Some(Scale { metric, .. }) = Scale::of(endpoints) else {
            return;
        };
        for endpoint in endpoints.iter().filter(|e| metric.of(e).is_none()) {
            tracing::info!(
                target: TARGET,
                deployment = %endpoint.id(),
                metric = metric.name(),
                "metric not declared, taken as the mean of the others"
            );
        }
    }
}

// === impl Metric ===

impl Metric {
    const ALL: [Self; 3] = [Self::Weight, Self::Rpm, Self::Tpm];

    fn of(self, candidate: &Candidate<'_>) -> Option<f64> {
        match self {
            Self::Weight => candidate.weight(),
            Self::Rpm => candidate.rpm(),
            Self::Tpm => candidate.tpm(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Rpm => "rpm",
            Self::Tpm => "tpm",
        }
    }
}

// === impl Scale ===

impl Scale {
    /// Returns `None` if no candidate has more than zero of any metric.
    fn of(candidates: &[Candidate<'_>]) -> Option<Self> {
        Metric::ALL.into_iter().find_map(|metric| {
            let declared = || candidates.iter().filter_map(|c| metric.of(c));
            let largest = declared().fold(0.0, f64::max);
            if largest == 0.0 {
                return None;
            }
            let (mut sum, mut count) = (0.0, 0_usize);
            for value in declared() {
                sum += value / largest;
                count += 1;
            }
            let mean = sum / count as f64;
            Some(Self {
                metric,
                largest,
                mean,
                total: mean * candidates.len() as f64,
            })
        })
    }

    fn share(&self, candidate: &Candidate<'_>) -> f64 {
        match self.metric.of(candidate) {
            Some(value) => value / self.largest,
            None => self.mean,
        }
    }

    /// Returns the place of the candidate in whose share the drawn number falls.
    fn at(&self, candidates: &[Candidate<'_>], drawn: f64) -> usize {
        let mut point = drawn * self.total;
        let mut last = 0;
        for (place, candidate) in candidates.iter().enumerate() {
            let share = self.share(candidate);
            if share > 0.0 {
                if point < share {
                    return place;
                }
                point -= share;
                last = place;
            }
        }
        // Rounding can leave a rest; it belongs to the last one that has a share.
        last
    }
}

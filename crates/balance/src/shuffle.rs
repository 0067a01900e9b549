use crate::{Candidate, Pick, Pool, TARGET, random::Random};

/// Picks at random, weighted by what is declared.
///
/// The weights are those of the first metric of `weight`, `rpm` and `tpm` for which any candidate has more than zero.
/// A candidate that does not declare it gets the mean of those that do, zeros included. If no candidate has more than
/// zero of any, all are equal. Each choice is independent of the others.
///
/// Zero means never: up to the deciding metric, a candidate that declares zero is left out of the choice while there
/// are others that do not. If all declare zero, the next metric is looked at.
///
/// Clones share one generator, a counter that is never locked.
#[derive(Clone, Debug)]
pub struct Shuffle {
    random: Random,
}

/// What weights can be taken from, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Weight,
    Rpm,
    Tpm,
}

/// How the chances are shared out among some candidates.
struct Scale {
    /// Whose values are the shares; all are equal without one.
    metric: Option<Metric>,
    /// Those before it by which candidates are left out.
    excluding: Excluding,
    /// The largest value, by which all are divided: a sum of huge values would not be finite.
    largest: f64,
    /// The share of a candidate that declares nothing.
    mean: f64,
    total: f64,
}

/// The metrics in which zero leaves a candidate out.
#[derive(Clone, Copy, Default)]
struct Excluding([bool; Metric::ALL.len()]);

// === impl Shuffle ===

impl Shuffle {
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

impl Default for Shuffle {
    fn default() -> Self {
        Self::new()
    }
}

impl Pick for Shuffle {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        Scale::of(candidates).at(candidates, self.random.unit())
    }

    fn guess(&self, all: &Pool) -> Option<usize> {
        let sums = all.shares()?;
        let point = self.random.unit() * sums.last()?;
        let place = sums.partition_point(|sum| *sum <= point);
        // Rounding can leave a rest.
        (place < sums.len()).then_some(place)
    }

    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        let scale = Scale::of(endpoints);
        let Some(metric) = scale.metric else {
            return;
        };
        let averaged = |e: &&Candidate<'_>| metric.of(e).is_none() && !scale.excluding.excludes(e);
        for endpoint in endpoints.iter().filter(averaged) {
            tracing::info!(
                target: TARGET,
                deployment = %endpoint.id(),
                metric = metric.name(),
                "metric not declared, taken as the mean of the others"
            );
        }
    }
}

/// Returns the sums of the shares up to each endpoint, if those are the same among any of them: if all declare the
/// metric that decides, or none declares any. Else the share of one that declares nothing depends on who the others
/// are.
pub(crate) fn shares(endpoints: &[Candidate<'_>]) -> Option<Box<[f64]>> {
    let declares_any = |metric: &Metric| endpoints.iter().any(|it| metric.of(it).is_some());
    let metric = Metric::ALL.into_iter().find(declares_any);
    if metric.is_some_and(|metric| endpoints.iter().any(|it| metric.of(it).is_none())) {
        return None;
    }
    let scale = Scale::of(endpoints);
    // All zeros: another metric decides, by which they are told apart.
    if scale.metric != metric {
        return None;
    }
    let sums = endpoints.iter().scan(0.0, |sum, endpoint| {
        *sum += scale.share(endpoint);
        Some(*sum)
    });
    Some(sums.collect())
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

// === impl Excluding ===

impl Excluding {
    /// Adds a metric of which no one has more than zero, unless all that are left declare zero.
    fn add(&mut self, metric: Metric, candidates: &[Candidate<'_>]) {
        let mut left = candidates.iter().filter(|c| !self.excludes(c));
        self.0[metric as usize] = left.any(|c| metric.of(c).is_none());
    }

    fn excludes(&self, candidate: &Candidate<'_>) -> bool {
        let zero = |metric: Metric| metric.of(candidate) == Some(0.0);
        Metric::ALL
            .into_iter()
            .any(|metric| self.0[metric as usize] && zero(metric))
    }
}

// === impl Scale ===

impl Scale {
    fn of(candidates: &[Candidate<'_>]) -> Self {
        let mut excluding = Excluding::default();
        for metric in Metric::ALL {
            if let Some(scale) = Self::by(metric, excluding, candidates) {
                return scale;
            }
            excluding.add(metric, candidates);
        }
        let left = candidates.iter().filter(|c| !excluding.excludes(c));
        Self {
            metric: None,
            excluding,
            largest: 1.0,
            mean: 1.0,
            total: left.count() as f64,
        }
    }

    /// Returns `None` if no candidate that is left has more than zero of the metric.
    fn by(metric: Metric, excluding: Excluding, candidates: &[Candidate<'_>]) -> Option<Self> {
        let left = || candidates.iter().filter(|c| !excluding.excludes(c));
        let declared = || left().filter_map(|c| metric.of(c));
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
            metric: Some(metric),
            excluding,
            largest,
            mean,
            total: mean * left().count() as f64,
        })
    }

    fn share(&self, candidate: &Candidate<'_>) -> f64 {
        if self.excluding.excludes(candidate) {
            return 0.0;
        }
        match self.metric.and_then(|metric| metric.of(candidate)) {
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

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Candidate, Needs, Pick, random::Random};

/// Halves what an unused deployment is remembered for.
const HALF_LIFE: Duration = Duration::from_secs(30);

/// So seldom is a slow one asked whether it is faster now.
const EXPLORE_EVERY: Duration = Duration::from_secs(1);

/// Picks at random among those with the lowest mean of their last ten latencies.
///
/// For plain answers a latency is the time per token of the answer, if the upstream tells their number, else the whole
/// time; for streams it is the time to the head of the response. Each failure counts as 100 seconds, a timeout as 1000.
/// One that has not answered yet goes first while nothing is in flight there.
///
/// A mean halves with each half-life (30 seconds by default) since its last sample. Once it has come down to the
/// lowest, a single request is sent there to learn anew, at most one each second.
#[derive(Clone, Debug)]
pub struct LatencyBased {
    random: Random,
    buffer: f64,
    half_life: Duration,
    explored: Arc<Explored>,
}

#[derive(Debug)]
struct Explored {
    epoch: Instant,
    /// Milliseconds from the epoch to the moment from which one may be asked again.
    next: AtomicU64,
}

impl LatencyBased {
    /// Starts from a random seed.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Random::new())
    }

    /// Starts from this seed: the same seed gives the same choices.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::with(Random::seeded(seed))
    }

    fn with(random: Random) -> Self {
        let (epoch, next) = (Instant::now(), AtomicU64::new(0));
        Self {
            random,
            buffer: 0.0,
            half_life: HALF_LIFE,
            explored: Arc::new(Explored { epoch, next }),
        }
    }

    /// Lets those take part whose mean is higher than the lowest by this share of it: `lowest_latency_buffer`. The
    /// default is 0; so is what is negative or no number.
    #[must_use]
    pub fn buffer(mut self, share: f64) -> Self {
        self.buffer = share.max(0.0);
        self
    }

    /// Sets how long it takes for the mean of an unused deployment to halve. Zero means that it does not.
    #[must_use]
    pub fn half_life(mut self, time: Duration) -> Self {
        self.half_life = time;
        self
    }

    fn decay(&self, age: Duration) -> f64 {
        if self.half_life.is_zero() {
            return 1.0;
        }
        (-age.as_secs_f64() / self.half_life.as_secs_f64()).exp2()
    }
}

impl Default for LatencyBased {
    fn default() -> Self {
        Self::new()
    }
}

impl Pick for LatencyBased {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        let mean = |c: &Candidate<'_>| c.vitals().load().mean_latency(c.stream());
        let idle = |c: &Candidate<'_>| c.vitals().load().in_flight() == 0;
        let any = |fits: &dyn Fn(&Candidate<'_>) -> bool| {
            let places = (0..candidates.len()).filter(|place| fits(&candidates[*place]));
            self.random.one_of(places)
        };
        if let Some(unseen) = any(&|c| mean(c).is_none() && idle(c)) {
            return unseen;
        }
        let means = candidates.iter().filter_map(mean);
        let Some(lowest) = means.map(|(mean, _)| mean.as_secs_f64()).reduce(f64::min) else {
            return self.random.below(candidates.len());
        };
        let top = lowest * (1.0 + self.buffer);
        let is_stale = |c: &Candidate<'_>| {
            mean(c).is_some_and(|(mean, age)| {
                let mean = mean.as_secs_f64();
                mean > top && mean * self.decay(age) <= lowest
            })
        };
        if let Some(stale) = any(&is_stale)
            && self.explored.may_explore()
        {
            return stale;
        }
        any(&|c| mean(c).is_some_and(|(mean, _)| mean.as_secs_f64() <= top)).unwrap_or(0)
    }

    fn needs(&self) -> Needs {
        Needs::default().latency().tokens()
    }
}

impl Explored {
    fn may_explore(&self) -> bool {
        let now = self.epoch.elapsed();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Relaxed);
        let later = millis(now + EXPLORE_EVERY);
        next <= millis(now)
            && self
                .next
                .compare_exchange(next, later, Relaxed, Relaxed)
                .is_ok()
    }
}

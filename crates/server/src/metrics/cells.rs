//! What is counted: plain atomics, which writers never wait for.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use ziggurat::{
    config::Deployment,
    core::{
        FailureKind,
        observe::{CallEnd, Ended},
    },
};

/// The upper ends of the buckets, in seconds: those that OpenTelemetry advises for `gen_ai.client.operation.duration`.
pub(super) const BOUNDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

/// Requests for one model.
#[derive(Debug, Default)]
pub(super) struct ModelCells {
    pub(super) outcomes: Outcomes,
    pub(super) duration: Histogram,
    pub(super) first_chunk: Histogram,
    pub(super) retries: AtomicU64,
    pub(super) fallbacks: AtomicU64,
}

/// Attempts on one deployment.
#[derive(Debug)]
pub(super) struct DeploymentCells {
    pub(super) group: String,
    pub(super) provider: &'static str,
    pub(super) outcomes: Outcomes,
    pub(super) duration: Histogram,
    pub(super) first_chunk: Histogram,
    pub(super) input_tokens: AtomicU64,
    pub(super) output_tokens: AtomicU64,
}

/// How often each way to end was taken.
#[derive(Debug)]
pub(super) struct Outcomes(Box<[(Ended, AtomicU64)]>);

/// How long things took. The buckets and the sum are written one after the other: a reader beside a writer may see the
/// one without the other.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// The last is beyond all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

// === impl ModelCells ===

impl ModelCells {
    pub(super) fn request_ended(&self, call: &CallEnd, retries: u64, fallbacks: u64) {
        self.outcomes.add(call.outcome);
        self.duration.add(call.elapsed);
        if let Some(first_chunk) = call.first_chunk {
            self.first_chunk.add(first_chunk);
        }
        self.retries.fetch_add(retries, Relaxed);
        self.fallbacks.fetch_add(fallbacks, Relaxed);
    }
}

// === impl DeploymentCells ===

impl DeploymentCells {
    pub(super) fn new(deployment: &Deployment) -> Self {
        Self {
            group: deployment.model_name.clone(),
            provider: deployment.provider.as_str(),
            outcomes: Outcomes::default(),
            duration: Histogram::default(),
            first_chunk: Histogram::default(),
            input_tokens: AtomicU64::default(),
            output_tokens: AtomicU64::default(),
        }
    }

    /// Says whether its labels are those of a deployment.
    pub(super) fn is_of(&self, deployment: &Deployment) -> bool {
        self.group == deployment.model_name && self.provider == deployment.provider.as_str()
    }

    pub(super) fn attempt_ended(&self, call: &CallEnd) {
        self.outcomes.add(call.outcome);
        self.duration.add(call.elapsed);
        if let Some(first_chunk) = call.first_chunk {
            self.first_chunk.add(first_chunk);
        }
        let add = |cell: &AtomicU64, tokens: Option<u64>| {
            cell.fetch_add(tokens.unwrap_or_default(), Relaxed);
        };
        add(&self.input_tokens, call.input_tokens);
        add(&self.output_tokens, call.output_tokens);
    }
}

// === impl Outcomes ===

impl Outcomes {
    fn add(&self, outcome: Ended) {
        // A way that is not known here yet would have no cell.
        if let Some((_, count)) = self.0.iter().find(|(known, _)| *known == outcome) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Reads those that were taken, and the good one in any case.
    pub(super) fn read(&self) -> impl Iterator<Item = (Ended, u64)> {
        let counts = self.0.iter().map(|(it, count)| (*it, count.load(Relaxed)));
        counts.filter(|(outcome, count)| *count > 0 || *outcome == Ended::Completed)
    }
}

impl Default for Outcomes {
    fn default() -> Self {
        let failed = FailureKind::all().map(Ended::Failed);
        let all = [Ended::Completed, Ended::Cancelled]
            .into_iter()
            .chain(failed);
        Self(all.map(|outcome| (outcome, AtomicU64::default())).collect())
    }
}

// === impl Histogram ===

impl Histogram {
    fn add(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// Reads the number of values up to each bound, that of all, and the sum in seconds.
    pub(super) fn read(&self) -> ([u64; BOUNDS.len()], u64, f64) {
        let mut count = 0;
        let counts = self.buckets.each_ref().map(|bucket| {
            count += bucket.load(Relaxed);
            count
        });
        let below = std::array::from_fn(|n| counts[n]);
        (below, count, self.micros.load(Relaxed) as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_below_it() {
        let histogram = Histogram::default();
        for millis in [0, 10, 11, 640, 82_000] {
            histogram.add(Duration::from_millis(millis));
        }
        let (below, count, sum) = histogram.read();
        assert_eq!((below[0], below[1], below[6], below[13]), (2, 3, 4, 4));
        assert_eq!((count, sum), (5, 82.661));
    }
}

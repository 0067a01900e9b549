use std::time::Duration;

use super::Load;
use crate::atomic::{
    AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// So many samples make the mean, as in LiteLLM (`max_latency_list_size`).
const SAMPLES: usize = 10;

/// The last latencies, without a lock: a reader beside a writer may see one sample of a mean before the others.
#[derive(Debug, Default)]
pub(super) struct Latency {
    plain: Ring,
    streams: Ring,
    peak: Peak,
}

#[derive(Debug, Default)]
struct Ring {
    /// Bits of seconds; 0, which no sample has, is empty.
    samples: [AtomicU32; SAMPLES],
    next: AtomicUsize,
    /// Milliseconds of the last sample.
    last: AtomicU64,
}

/// Bits of seconds, and below them milliseconds of the last change, which begin anew after 49 days: only who was not
/// called for so long looks younger than it is.
#[derive(Debug, Default)]
struct Peak(AtomicU64);

// === impl Latency ===

impl Latency {
    pub(super) fn answer(&self, now: Duration, latency: Duration, stream: bool, tokens: u64) {
        let seconds = seconds_of(latency);
        let ring = if stream { &self.streams } else { &self.plain };
        ring.add(now, seconds / tokens.max(1) as f32);
        self.peak.add(now, seconds);
    }

    pub(super) fn failure(&self, now: Duration, latency: Duration) {
        let seconds = seconds_of(latency);
        self.plain.add(now, seconds);
        self.streams.add(now, seconds);
        self.peak.add(now, seconds);
    }

    pub(super) fn mean(&self, now: Duration, stream: bool) -> Option<(Duration, Duration)> {
        let (wanted, other) = match stream {
            true => (&self.streams, &self.plain),
            false => (&self.plain, &self.streams),
        };
        wanted.mean(now).or_else(|| other.mean(now))
    }

    pub(super) fn peak(&self, now: Duration) -> Option<Duration> {
        let word = self.peak.0.load(Acquire);
        (word != 0).then(|| seconds(Peak::decayed(word, now)))
    }
}

// === impl Ring ===

impl Ring {
    fn add(&self, now: Duration, seconds: f32) {
        let place = self.next.fetch_add(1, Relaxed) % SAMPLES;
        let bits = seconds.max(f32::MIN_POSITIVE).to_bits();
        self.samples[place].store(bits, Relaxed);
        self.last.fetch_max(millis(now), Relaxed);
    }

    fn mean(&self, now: Duration) -> Option<(Duration, Duration)> {
        let (mut sum, mut count) = (0.0, 0_u8);
        for sample in &self.samples {
            let bits = sample.load(Relaxed);
            if bits != 0 {
                sum += f64::from(f32::from_bits(bits));
                count += 1;
            }
        }
        let mean = (count > 0).then(|| sum / f64::from(count))?;
        let age = millis(now).saturating_sub(self.last.load(Relaxed));
        Some((seconds(mean), Duration::from_millis(age)))
    }
}

// === impl Peak ===

impl Peak {
    fn add(&self, now: Duration, sample: f32) {
        let sample = f64::from(sample);
        let mut word = self.0.load(Acquire);
        loop {
            // A sample weighs what time has taken from the estimate, as in tower's `PeakEwma`.
            let estimate = match word {
                0 => sample,
                word => {
                    let kept = Self::kept(word, now);
                    let estimate = Self::estimate(word);
                    sample.max(estimate * kept + sample * (1.0 - kept))
                }
            };
            let new = u64::from((estimate as f32).to_bits()) << 32 | u64::from(millis(now) as u32);
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    fn decayed(word: u64, now: Duration) -> f64 {
        Self::estimate(word) * Self::kept(word, now)
    }

    fn estimate(word: u64) -> f64 {
        f64::from(f32::from_bits((word >> 32) as u32))
    }

    /// What time has left of the estimate.
    fn kept(word: u64, now: Duration) -> f64 {
        let elapsed = (millis(now) as u32).wrapping_sub(word as u32);
        // Another thread's clock may be a moment ahead.
        let elapsed = if elapsed > u32::MAX / 2 { 0 } else { elapsed };
        (-f64::from(elapsed) / Load::DECAY.as_millis() as f64).exp()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn seconds_of(latency: Duration) -> f32 {
    latency.as_secs_f32().max(f32::MIN_POSITIVE)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

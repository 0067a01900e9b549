#[cfg(all(test, ziggurat_loom))]
mod interleavings;
mod latency;
mod minute;

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

pub use self::minute::{Limits, Used};
use self::{latency::Latency, minute::Minute};
use super::Vitals;
use crate::atomic::{AtomicU32, Ordering::SeqCst};

/// What a deployment has to do, as far as this process has sent it, and how fast it answers.
///
/// Requests and tokens are counted in windows of [`Load::WINDOW`]: the first request opens one, and the next request after
/// its end opens another. Each counts for one deployment and one process.
///
/// Latencies are times to the head of a response. A plain answer has been read whole then by most leaves; a stream has
/// given its first content where a stream timeout stands below.
#[derive(Debug)]
pub struct Load {
    in_flight: AtomicU32,
    /// How many wait for a place; nobody is woken while it is zero.
    waiting: AtomicU32,
    freed: Arc<Notify>,
    /// The zero of all times below.
    epoch: Instant,
    minute: Minute,
    latency: Latency,
}

/// What is known of a [`Load`] at one moment, for mirrors and displays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LoadSnapshot {
    /// Calls that have not ended.
    pub in_flight: u32,
    /// What the current window has seen.
    pub used: Used,
    /// The mean of the last ten latencies of plain answers, as far as known per token.
    pub plain_latency: Option<Duration>,
    /// The mean of the last ten latencies of streams.
    pub stream_latency: Option<Duration>,
    /// The peak EWMA of the latencies.
    pub peak_latency: Option<Duration>,
}

/// A call in flight: counted until it is dropped.
#[derive(Debug)]
#[must_use = "it is counted until it is dropped"]
pub struct InFlight {
    vitals: Arc<Vitals>,
    /// Whether others may wait for its place.
    capped: bool,
}

/// Waits for a call of a deployment to end.
#[derive(Debug)]
#[must_use = "it must be asked for the next end"]
pub struct Waiting {
    vitals: Arc<Vitals>,
}

// === impl Load ===

impl Load {
    /// How long requests and tokens are counted together.
    pub const WINDOW: Duration = Duration::from_secs(60);

    /// What a failed call counts as in the latencies.
    pub const FAILED: Duration = Duration::from_secs(100);

    /// What a call that timed out counts as in the latencies, as in LiteLLM.
    pub const TIMED_OUT: Duration = Duration::from_secs(1000);

    /// The time constant of the peak EWMA, as in linkerd.
    pub const DECAY: Duration = Duration::from_secs(10);

    /// Returns the number of calls that have not ended.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(SeqCst)
    }

    /// Counts a request and its tokens in the current window, and returns the window's number for [`settle`](Self::settle).
    pub fn count(&self, tokens: u64) -> u32 {
        self.minute.count(self.now(), tokens)
    }

    /// Counts a request and its tokens, unless that would be more than the limits allow.
    ///
    /// A limit of n admits n. A window in which no tokens were used admits a request of any size, if the limit is not 0:
    /// it would not fit later either, and sizes are estimates.
    ///
    /// # Errors
    ///
    /// What has been used up, and the time until the window ends.
    pub fn try_count(&self, limits: Limits, tokens: u64) -> Result<u32, Exhausted> {
        self.minute.try_count(self.now(), limits, tokens)
    }

    /// Says whether [`try_count`](Self::try_count) would do now. Counts nothing.
    ///
    /// # Errors
    ///
    /// What has been used up, and the time until the window ends.
    pub fn has_room(&self, limits: Limits, tokens: u64) -> Result<(), Exhausted> {
        self.minute.has_room(self.now(), limits, tokens)
    }

    /// Corrects the tokens that were counted for a request. It does nothing once the window is over.
    pub fn settle(&self, window: u32, counted: u64, used: u64) {
        self.minute.settle(window, counted, used);
    }

    /// Returns what the current window has seen.
    #[must_use]
    pub fn used(&self) -> Used {
        self.minute.used(self.now())
    }

    /// The same at a moment that the caller has read from the clock, for whoever looks at many.
    #[must_use]
    pub fn used_at(&self, now: Instant) -> Used {
        self.minute.used(now.saturating_duration_since(self.epoch))
    }

    /// Notes how long a call took to the head of its response. Of a plain answer, the time per token of the answer counts
    /// in the mean if `tokens` are known, as in LiteLLM.
    pub fn answered(&self, latency: Duration, stream: bool, tokens: Option<u64>) {
        let tokens = tokens.filter(|_| !stream).unwrap_or(1);
        self.latency.answer(self.now(), latency, stream, tokens);
    }

    /// Notes that a call failed, which counts as a very long latency.
    pub fn failed(&self, timed_out: bool) {
        let latency = if timed_out {
            Self::TIMED_OUT
        } else {
            Self::FAILED
        };
        self.latency.failure(self.now(), latency);
    }

    /// Returns the mean of the last ten latencies, and the age of the last: of streams or of plain answers, or of the
    /// others if there are none.
    #[must_use]
    pub fn mean_latency(&self, stream: bool) -> Option<(Duration, Duration)> {
        self.latency.mean(self.now(), stream)
    }

    /// Returns the peak EWMA of the latencies: a longer one counts at once, shorter ones and time bring it down with
    /// [`DECAY`](Self::DECAY).
    #[must_use]
    pub fn peak_latency(&self) -> Option<Duration> {
        self.latency.peak(self.now())
    }

    /// Reads all at once.
    #[must_use]
    pub fn snapshot(&self) -> LoadSnapshot {
        LoadSnapshot {
            in_flight: self.in_flight(),
            used: self.used(),
            plain_latency: self.mean_latency(false).map(|(mean, _)| mean),
            stream_latency: self.mean_latency(true).map(|(mean, _)| mean),
            peak_latency: self.peak_latency(),
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }
}

impl Default for Load {
    fn default() -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            freed: Arc::default(),
            epoch: Instant::now(),
            minute: Minute::default(),
            latency: Latency::default(),
        }
    }
}

/// A window has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exhausted {
    /// The limit: `rpm` or `tpm`.
    pub name: &'static str,
    /// Its value.
    pub limit: u64,
    /// When the window ends.
    pub ends_in: Duration,
}

// === impl InFlight ===

impl InFlight {
    /// Counts a call.
    pub fn enter(vitals: &Arc<Vitals>) -> Self {
        vitals.load().in_flight.fetch_add(1, SeqCst);
        Self {
            vitals: Arc::clone(vitals),
            capped: false,
        }
    }

    /// Counts a call, unless there are `cap` already.
    pub fn try_enter(vitals: &Arc<Vitals>, cap: u32) -> Option<Self> {
        let one_more = |count: u32| (count < cap).then(|| count + 1);
        let entered = vitals
            .load()
            .in_flight
            .fetch_update(SeqCst, SeqCst, one_more);
        entered.ok().map(|_| Self {
            vitals: Arc::clone(vitals),
            capped: true,
        })
    }

    /// Returns the vital signs of the deployment.
    #[must_use]
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let load = self.vitals.load();
        load.in_flight.fetch_sub(1, SeqCst);
        // Who comes to wait counts itself first and looks for a place after that: one of both sees the other. Of two changes
        // of one number either sees the other; of a change and a look, only with an order of all numbers.
        if self.capped && load.waiting.fetch_add(0, SeqCst) > 0 {
            load.freed.notify_one();
        }
    }
}

// === impl Waiting ===

impl Waiting {
    /// Comes to wait. A place that became free before has to be looked for after this.
    pub fn new(vitals: &Arc<Vitals>) -> Self {
        vitals.load().waiting.fetch_add(1, SeqCst);
        Self {
            vitals: Arc::clone(vitals),
        }
    }

    /// Completes when a call of a deployment with a cap has ended. Each end completes one of those who wait, in turn; one
    /// dropped before it was polled to its end passes its turn on.
    pub fn next(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        Arc::clone(&self.vitals.load().freed).notified_owned()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.vitals.load().waiting.fetch_sub(1, SeqCst);
    }
}

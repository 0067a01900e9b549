//! What a seed stands for: settings, requests, troubles of the network, and how upstreams behave.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

use crate::answer::{UPSTREAMS, Words};

/// The whole time of a request, as it is configured.
pub(crate) const TOTAL: Duration = Duration::from_millis(2_500);

/// How long a message takes: each its own time, so that they overtake each other.
pub(crate) const LATENCY: Range<Duration> = Duration::from_millis(1)..Duration::from_millis(20);

/// When the last request begins, and the last trouble ends.
const LOAD: Range<u64> = 0..4_000;

/// A simulation.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    pub(crate) asks: Vec<Ask>,
    pub(crate) troubles: Vec<Trouble>,
}

/// What the proxy is configured with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) retries: usize,
    /// Calls that each deployment may have in flight.
    pub(crate) parallel: Option<usize>,
    /// Requests that the proxy may have in flight.
    pub(crate) in_flight: Option<usize>,
    strategy: &'static str,
    pub(crate) recovery: &'static str,
    commit: &'static str,
    cooldowns: bool,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) at: Duration,
    pub(crate) streams: bool,
    pub(crate) words: Words,
    /// The caller hangs up after so long, if it has no answer.
    pub(crate) patience: Option<Duration>,
}

/// What is wrong with an upstream, or with the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) upstream: &'static str,
    pub(crate) kind: Kind,
    pub(crate) during: Range<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing goes through.
    Partition,
    /// Nothing goes through to the upstream.
    Deaf,
    /// Nothing goes through from the upstream.
    Mute,
    /// All that is sent arrives later.
    Held,
    /// The upstream is down, and comes back.
    Crash,
}

/// How an upstream behaves in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    Answer,
    Slow,
    /// An error with this status; 429 asks for a second of rest.
    Status(u16),
    /// No answer at all.
    Silent,
    /// The connection is closed in place of an answer.
    Closed,
    /// The connection breaks in the middle.
    Cut,
    /// Nothing comes after the middle.
    Stalled,
    /// It ends in the middle as if that were its end.
    Clipped,
    /// An error comes in the middle of a stream, in place of a plain answer.
    Error,
}

fn millis(rng: &mut Rng, range: Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

// === impl Plan ===

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let settings = Settings::draw(rng);
        let number = rng.usize(20..50);
        let asks = (0..number).map(|request| Ask::draw(rng, request)).collect();
        let troubles = UPSTREAMS
            .iter()
            .flat_map(|upstream| Trouble::draw(rng, upstream))
            .collect();
        Self {
            seed,
            settings,
            asks,
            troubles,
        }
    }

    /// How an upstream behaves when it is asked for the `nth` time by one request.
    pub(crate) fn conduct(&self, upstream: &str, request: usize, nth: usize) -> Conduct {
        if request >= self.asks.len() {
            return Conduct::Answer; // asked after all troubles
        }
        let name = upstream
            .bytes()
            .fold(0, |sum, byte| sum * 31 + u64::from(byte));
        let place = name + 1_000 * request as u64 + nth as u64;
        let mut rng = Rng::with_seed(
            self.seed
                .wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        );
        match rng.u8(0..100) {
            0..52 => Conduct::Answer,
            52..60 => Conduct::Slow,
            60..64 => Conduct::Status(429),
            64..68 => Conduct::Status(500),
            68..72 => Conduct::Status(503),
            72..74 => Conduct::Status(400),
            74..78 => Conduct::Silent,
            78..81 => Conduct::Closed,
            81..87 => Conduct::Cut,
            87..92 => Conduct::Stalled,
            92..96 => Conduct::Clipped,
            _ => Conduct::Error,
        }
    }

    /// Whether an upstream, or the way to it, was in trouble at any of these times.
    pub(crate) fn is_troubled(&self, upstream: &str, during: &Range<Duration>) -> bool {
        let mut troubles = self.troubles.iter();
        troubles.any(|trouble| {
            trouble.upstream == upstream
                && trouble.during.start < during.end
                && during.start < trouble.during.end
        })
    }
}

// === impl Settings ===

impl Settings {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            retries: rng.usize(0..4),
            parallel: rng.bool().then(|| rng.usize(1..4)),
            in_flight: rng.bool().then(|| rng.usize(4..9)),
            strategy: rng
                .choice(["simple-shuffle", "least-busy", "latency-based-routing"])
                .expect("some"),
            recovery: rng.choice(["off", "restart", "continue"]).expect("some"),
            commit: rng
                .choice(["first_content", "first_content", "complete"])
                .expect("some"),
            cooldowns: rng.u8(0..4) > 0,
        }
    }

    /// The configuration file.
    pub(crate) fn yaml(&self) -> String {
        let parallel = self
            .parallel
            .map(|calls| format!(", max_parallel_requests: {calls}"));
        let parallel = parallel.unwrap_or_default();
        let deployment = |group: &str, id: &str| {
            format!(
                "- model_name: {group}
  litellm_params: {{model: openai/m, api_base: \"http://{id}/v1\", api_key: sk-sim{parallel}}}
  model_info: {{id: {id}, supports_assistant_prefill: true}}
"
            )
        };
        let in_flight = self
            .in_flight
            .map(|requests| format!("general_settings: {{max_in_flight: {requests}}}\n"));
        format!(
            "model_list:
{}{}{}litellm_settings:
  request_timeout: 0.8
  num_retries: {}
  fallbacks: [{{wanted: [spare]}}]
router_settings:
  stream_timeout: 0.4
  total_timeout: {}
  cooldown_time: 0.3
  disable_cooldowns: {}
  max_parallel_wait: 0.2
  routing_strategy: {}
  stream_recovery: {:?}
  stream_commit: {}
{}",
            deployment("wanted", "one"),
            deployment("wanted", "two"),
            deployment("spare", "three"),
            self.retries,
            TOTAL.as_secs_f64(),
            !self.cooldowns,
            self.strategy,
            self.recovery,
            self.commit,
            in_flight.unwrap_or_default(),
        )
    }
}

// === impl Ask ===

impl Ask {
    fn draw(rng: &mut Rng, request: usize) -> Self {
        Self {
            at: millis(rng, LOAD),
            streams: rng.bool(),
            words: Words {
                request,
                count: rng.usize(2..9),
                same: rng.bool(),
            },
            patience: (rng.u8(0..4) == 0).then(|| millis(rng, 1..600)),
        }
    }

    /// A request that should be served by those who are asked for, after all troubles.
    pub(crate) const fn quiet(request: usize, streams: bool) -> Self {
        Self {
            at: Duration::ZERO,
            streams,
            words: Words {
                request,
                count: 4,
                same: false,
            },
            patience: None,
        }
    }
}

// === impl Trouble ===

impl Trouble {
    /// The troubles of one upstream, one after the other.
    fn draw(rng: &mut Rng, upstream: &'static str) -> Vec<Self> {
        const KINDS: [Kind; 5] = [
            Kind::Partition,
            Kind::Deaf,
            Kind::Mute,
            Kind::Held,
            Kind::Crash,
        ];
        let mut troubles = Vec::new();
        let mut from = millis(rng, 0..2_000);
        while from < Duration::from_millis(LOAD.end) && rng.u8(0..4) > 0 {
            let until = from + millis(rng, 50..1_200);
            troubles.push(Self {
                upstream,
                kind: rng.choice(KINDS).expect("some"),
                during: from..until,
            });
            from = until + millis(rng, 50..1_500);
        }
        troubles
    }
}

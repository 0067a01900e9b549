use http::Extensions;
use tokio::time::Instant;
use ziggurat_core::{
    Failure, FailureKind, Meter,
    vitals::{Exhausted, InFlight},
};

use crate::{Needs, demand, endpoint::Declared, options::Options};

/// What a call occupies of its deployment until its response body has ended.
#[derive(Debug)]
pub(crate) struct Job {
    in_flight: InFlight,
    tokens: Option<Tokens>,
    /// When the call began, if its latency is wanted.
    started: Option<Instant>,
    stream: bool,
}

/// Tokens counted in advance.
#[derive(Debug)]
struct Tokens {
    window: u32,
    counted: u64,
    /// The part of it that stands for the prompt.
    prompt: u64,
    meter: Meter,
    /// Whether nothing was used unless the upstream tells otherwise.
    failed: bool,
}

/// Why a call cannot begin now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Busy {
    /// As many calls as allowed are in flight.
    Full,
    /// The minute is used up.
    Exhausted(Exhausted),
}

impl Job {
    /// Takes a place, if there is one.
    pub(crate) fn enter(declared: &Declared) -> Option<InFlight> {
        match declared.max_parallel_requests {
            Some(cap) => InFlight::try_enter(&declared.vitals, cap),
            None => Some(InFlight::enter(&declared.vitals)),
        }
    }

    /// Counts the request in the minute, whose limits hold if `enforce`.
    pub(crate) fn begin(
        in_flight: InFlight,
        declared: &Declared,
        needs: Needs,
        enforce: bool,
        extensions: &mut Extensions,
    ) -> Result<Self, Exhausted> {
        let limits = declared.limits();
        let mut tokens = None;
        if needs.tokens || limits.is_some() {
            let metered = needs.tokens || declared.tpm.is_some();
            let counted = if metered {
                demand::tokens(extensions)
            } else {
                0
            };
            let load = declared.vitals.load();
            let window = match limits.filter(|_| enforce) {
                Some(limits) => load.try_count(limits, counted)?,
                None => load.count(counted),
            };
            tokens = metered.then(|| Tokens {
                window,
                counted,
                prompt: demand::prompt(extensions),
                // One from further up hears of this call as well.
                meter: extensions.get_or_insert_default::<Meter>().clone(),
                failed: false,
            });
        }
        Ok(Self {
            in_flight,
            tokens,
            started: None,
            stream: false,
        })
    }

    /// Starts the clock.
    pub(crate) fn time(&mut self, stream: bool) {
        self.started = Some(Instant::now());
        self.stream = stream;
    }

    /// Hears how the call was answered.
    pub(crate) fn answered(&mut self, failure: Option<&Failure>) {
        let load = self.in_flight.vitals().load();
        match (self.started, failure.map(Failure::kind)) {
            (Some(started), None) => {
                let meter = self.tokens.as_ref().map(|tokens| &tokens.meter);
                let tokens = meter.and_then(Meter::output);
                load.answered(started.elapsed(), self.stream, tokens);
            }
            // Nobody was asked if the failure is our own.
            (Some(_), Some(kind)) if !kind.is_local() => {
                load.failed(kind == FailureKind::Timeout);
            }
            _ => {}
        }
        if let Some(tokens) = &mut self.tokens {
            tokens.failed = failure.is_some();
        }
    }

    /// Hears that the body broke.
    pub(crate) fn broke(&self) {
        if self.started.is_some() {
            self.in_flight.vitals().load().failed(false);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(tokens) = &self.tokens {
            let unknown = if tokens.failed { 0 } else { tokens.counted };
            let used = match (tokens.meter.input(), tokens.meter.output()) {
                (None, None) => unknown,
                (prompt, answer) => {
                    let prompt = prompt.unwrap_or(tokens.prompt);
                    prompt.saturating_add(answer.unwrap_or_default())
                }
            };
            let load = self.in_flight.vitals().load();
            load.settle(tokens.window, tokens.counted, used);
        }
    }
}

impl Busy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "max_parallel_requests",
            Self::Exhausted(exhausted) => exhausted.name,
        }
    }

    /// Says what would keep a call from beginning now, without being waited for.
    pub(crate) fn of(
        declared: &Declared,
        options: Options,
        extensions: &Extensions,
    ) -> Option<Self> {
        let load = declared.vitals.load();
        let cap = declared.max_parallel_requests;
        if options.max_parallel_wait.is_zero() && cap.is_some_and(|cap| load.in_flight() >= cap) {
            return Some(Self::Full);
        }
        if options.enforce_limits {
            let room = declared.has_room(|| demand::tokens(extensions));
            return room.err().map(Self::Exhausted);
        }
        None
    }
}

#[cfg(all(test, ziggurat_loom))]
mod interleavings;

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::time::Instant;

use super::{Vitals, word::Word};
use crate::{
    FailureKind,
    atomic::{AtomicU64, Ordering},
};

/// Whether a deployment is resting after failures.
///
/// A cooldown that is over leaves the deployment waiting for its trial: a single call, which ends the cooldown if it
/// succeeds and begins another if it fails. Whoever calls the deployment keeps to that; this part only remembers.
///
/// All of the state is one atomic word, so that what is read at once belongs together. Times have a resolution of a
/// millisecond, rounded up for the end of a cooldown, and reach 34 years beyond the creation of this value.
pub struct Cooling {
    /// What all times are counted from.
    base: Instant,
    /// Closed: the time of the recovery. Open: the end of the cooldown, its cause, strikes, and the reservation.
    state: AtomicU64,
    /// The time, kind and status of the last failure; 0 before the first.
    last: AtomicU64,
}

/// Where a deployment stands between working and resting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It works, as far as is known.
    Closed,
    /// It rests, for that long.
    Cooling(Duration),
    /// It has rested, and the next call is its trial.
    Waiting,
    /// It has rested, and its trial is running.
    Trial,
}

/// What asking for a cooldown has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A cooldown has begun.
    Began,
    /// It was waiting for its trial, or had it, and rests again.
    Reopened,
    /// It was resting, and rests longer.
    Extended,
    /// It was resting, and does so as long as before; or a cooldown of no time was asked for.
    Unchanged,
}

/// All that is known about a deployment's cooldown, for whoever looks after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoolingSnapshot {
    /// Where it stands.
    pub phase: Phase,
    /// The kind of the failure that began the cooldown; `None` while there is none, and if someone else began it.
    pub cause: Option<FailureKind>,
    /// How many trials in a row have failed.
    pub strikes: u32,
    /// When it failed last.
    pub last_failure: Option<Instant>,
    /// The kind of the last failure.
    pub last_kind: Option<FailureKind>,
    /// The status of the upstream's answer, if the last failure was one.
    pub last_status: Option<StatusCode>,
}

/// The reservation of a trial, of which there is one at a time. Dropping it gives it back: the next call is the trial.
#[must_use = "dropping it gives the trial back"]
pub struct Trial {
    vitals: Arc<Vitals>,
    /// The word that was found; a cooldown that began since then makes its end another.
    seen: Word,
}

/// The end of a cooldown that came before the call that was its trial had ended.
#[derive(Clone)]
pub struct Recovery {
    vitals: Arc<Vitals>,
    /// The word that the trial had found.
    seen: Word,
    /// When it was, as the word tells it.
    at: u64,
}

// === impl Cooling ===

impl Cooling {
    /// Returns how long it still rests; `None` if it does not.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.remaining_of(self.word())
    }

    /// Returns when the cooldown ends; in the past while the deployment waits for its trial, `None` if there is none.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        let word = self.word();
        word.is_open().then(|| self.instant(word.time()))
    }

    /// Returns where it stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase_of(self.word())
    }

    /// Returns the kind of the failure that began the cooldown.
    #[must_use]
    pub fn cause(&self) -> Option<FailureKind> {
        self.word().kind()
    }

    /// Returns when the last trial succeeded; `None` before that, and while there is a cooldown.
    #[must_use]
    pub fn recovered(&self) -> Option<Instant> {
        let word = self.word();
        (!word.is_open() && word.time() > 0).then(|| self.instant(word.time()))
    }

    /// Returns when it failed last, to the millisecond.
    #[must_use]
    pub fn last_failure(&self) -> Option<Instant> {
        let last = self.last();
        last.kind().map(|_| self.instant(last.time()))
    }

    /// Returns the kind of the last failure.
    #[must_use]
    pub fn last_kind(&self) -> Option<FailureKind> {
        self.last().kind()
    }

    /// Returns the status of the upstream's answer, if the last failure was one.
    #[must_use]
    pub fn last_status(&self) -> Option<StatusCode> {
        self.last().status()
    }

    /// Returns all of it.
    #[must_use]
    pub fn snapshot(&self) -> CoolingSnapshot {
        let (word, last) = (self.word(), self.last());
        CoolingSnapshot {
            phase: self.phase_of(word),
            cause: word.kind(),
            strikes: word.strikes(),
            last_failure: last.kind().map(|_| self.instant(last.time())),
            last_kind: last.kind(),
            last_status: last.status(),
        }
    }

    /// Remembers a failure, without a cooldown.
    pub fn fail(&self, kind: FailureKind, status: Option<StatusCode>) {
        let last = Word::at(self.elapsed_millis()).caused_by(kind, status);
        self.last.store(last.into_bits(), Ordering::Relaxed);
    }

    /// Lets it rest for this time from now on, for a reason that is not known here. A cooldown is never shortened.
    pub fn cool_for(&self, time: Duration) -> Change {
        self.open(|_| time, Word::uncaused)
    }

    /// Lets it rest because of a failure, for a time that depends on how many trials in a row have failed. A cooldown is
    /// never shortened, and keeps its cause if it is not prolonged.
    pub fn cool(
        &self,
        kind: FailureKind,
        status: Option<StatusCode>,
        time: impl Fn(u32) -> Duration,
    ) -> Change {
        self.open(time, |word| word.caused_by(kind, status))
    }

    fn open(&self, time: impl Fn(u32) -> Duration, cause: impl Fn(Word) -> Word) -> Change {
        self.update(|word| {
            let (time, phase) = (time(word.strikes()), self.phase_of(word));
            let until = self.end_of(time);
            let change = match phase {
                _ if time.is_zero() => Change::Unchanged,
                Phase::Closed => Change::Began,
                Phase::Waiting | Phase::Trial => Change::Reopened,
                Phase::Cooling(_) if until > word.time() => Change::Extended,
                Phase::Cooling(_) => Change::Unchanged,
            };
            let next = match change {
                Change::Unchanged => word,
                _ => cause(word.open_until(until)),
            };
            (next, change)
        })
    }

    /// Replaces the word by what is made of it, and returns what else is made of it.
    fn update<T>(&self, mut step: impl FnMut(Word) -> (Word, T)) -> T {
        let mut bits = self.state.load(Ordering::Acquire);
        loop {
            let (next, result) = step(Word::from_bits(bits));
            let next = next.into_bits();
            match self
                .state
                .compare_exchange_weak(bits, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return result,
                Err(found) => bits = found,
            }
        }
    }

    fn word(&self) -> Word {
        Word::from_bits(self.state.load(Ordering::Acquire))
    }

    fn last(&self) -> Word {
        Word::from_bits(self.last.load(Ordering::Relaxed))
    }

    fn phase_of(&self, word: Word) -> Phase {
        match self.remaining_of(word) {
            _ if !word.is_open() => Phase::Closed,
            Some(remaining) => Phase::Cooling(remaining),
            None if word.has_trial() => Phase::Trial,
            None => Phase::Waiting,
        }
    }

    fn remaining_of(&self, word: Word) -> Option<Duration> {
        if !word.is_open() {
            return None;
        }
        let remaining = self
            .instant(word.time())
            .saturating_duration_since(Instant::now());
        (!remaining.is_zero()).then_some(remaining)
    }

    fn instant(&self, millis: u64) -> Instant {
        // A clock that cannot reach so far never gets there.
        self.base
            .checked_add(Duration::from_millis(millis))
            .unwrap_or(self.base)
    }

    fn elapsed_millis(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Rounds up: a rest is never too short.
    fn end_of(&self, time: Duration) -> u64 {
        let nanos = self.base.elapsed().saturating_add(time).as_nanos();
        let millis = u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX);
        millis.min(Word::MAX_TIME)
    }
}

impl Default for Cooling {
    fn default() -> Self {
        Self {
            base: Instant::now(),
            state: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for Cooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.snapshot(), f)
    }
}

// === impl Trial ===

impl Trial {
    /// Reserves the trial of a deployment that waits for it; `None` if it does not, or if another was quicker.
    pub fn reserve(vitals: &Arc<Vitals>) -> Option<Self> {
        let cooling = vitals.cooling();
        let seen = cooling.update(|word| match cooling.phase_of(word) {
            Phase::Waiting => (word.with_trial(true), Some(word)),
            _ => (word, None),
        })?;
        Some(Self {
            vitals: Arc::clone(vitals),
            seen,
        })
    }

    /// Ends the cooldown: the deployment works again. Returns false if another cooldown began during the trial, which
    /// goes on.
    #[must_use]
    pub fn succeed(self) -> bool {
        self.succeed_early().is_some()
    }

    /// Ends the cooldown before the call has ended, which may still show that it came too early: others are let through
    /// again. Returns `None` if another cooldown began during the trial, which goes on.
    #[must_use]
    pub fn succeed_early(self) -> Option<Recovery> {
        let cooling = self.vitals.cooling();
        // 0 stands for no recovery.
        let at = cooling.elapsed_millis().max(1);
        let ended = cooling.update(|word| {
            if word.time() == self.seen.time() {
                // The reservation is given back last, as it might be another's right after this.
                (Word::at(at).with_trial(true), true)
            } else {
                (word, false)
            }
        });
        ended.then(|| Recovery {
            vitals: Arc::clone(&self.vitals),
            seen: self.seen,
            at,
        })
    }

    /// Begins another cooldown, for a time that depends on how many trials in a row have failed, this one included.
    ///
    /// If another began during the trial, this is not a strike, but one more trigger: see [`Cooling::cool`].
    pub fn fail(
        self,
        kind: FailureKind,
        status: Option<StatusCode>,
        time: impl Fn(u32) -> Duration,
    ) -> Change {
        let cooling = self.vitals.cooling();
        let strike = cooling.update(|word| {
            let strike = word.time() == self.seen.time();
            (if strike { word.strike() } else { word }, strike)
        });
        let change = cooling.cool(kind, status, time);
        if strike { Change::Reopened } else { change }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // No one else has the reservation, whatever else of the word has changed.
        self.vitals
            .cooling()
            .update(|word| (word.with_trial(false), ()));
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").finish_non_exhaustive()
    }
}

// === impl Recovery ===

impl Recovery {
    /// Says whether nothing has changed since then.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.is_of(self.vitals.cooling().word())
    }

    /// Begins another cooldown, as a trial that fails does, if nothing has changed since then.
    pub fn revoke(
        self,
        kind: FailureKind,
        status: Option<StatusCode>,
        time: impl Fn(u32) -> Duration,
    ) -> Change {
        let cooling = self.vitals.cooling();
        let struck = self.seen.strike();
        let time = time(struck.strikes());
        let until = cooling.end_of(time);
        cooling.update(|word| {
            if self.is_of(word) && !time.is_zero() {
                let next = struck.open_until(until).caused_by(kind, status);
                (next, Change::Reopened)
            } else {
                (word, Change::Unchanged)
            }
        })
    }

    fn is_of(&self, word: Word) -> bool {
        !word.is_open() && word.time() == self.at
    }
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery").finish_non_exhaustive()
    }
}

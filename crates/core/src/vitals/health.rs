use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::word::Word;
use crate::{
    FailureKind,
    atomic::{AtomicU64, Ordering},
};

/// What the last health check of a deployment has found.
///
/// It only remembers: who checks, writes it; who reads it says how old a verdict may be. All of it is one atomic word.
pub struct Health {
    /// What the time of a verdict is counted from.
    base: Instant,
    /// The time and the kind of failure of the last verdict; 0 before the first.
    verdict: AtomicU64,
}

/// The outcome of a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The kind of the failure; `None` if it passed.
    pub failure: Option<FailureKind>,
    /// When it ended.
    pub at: Instant,
}

// === impl Health ===

impl Health {
    /// Returns the last verdict, however old.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let word = self.word();
        word.is_open().then(|| Verdict {
            failure: word.kind(),
            at: self.instant(word),
        })
    }

    /// Says whether the last check has failed, less than `staleness` ago.
    #[must_use]
    pub fn is_failing(&self, staleness: Duration) -> bool {
        let word = self.word();
        // Most pass: the clock is not read for them.
        word.kind().is_some() && self.instant(word).elapsed() < staleness
    }

    /// Notes the outcome of a check: a failure of a kind, or `None` if it passed. Returns what the verdict was before.
    pub fn note(&self, failure: Option<FailureKind>) -> Option<Verdict> {
        let now = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX);
        let word = Word::checked_at(now.min(Word::MAX_TIME));
        let word = failure.map_or(word, |kind| word.caused_by(kind, None));
        let before = self.verdict.swap(word.into_bits(), Ordering::Relaxed);
        let before = Word::from_bits(before);
        before.is_open().then(|| Verdict {
            failure: before.kind(),
            at: self.instant(before),
        })
    }

    fn word(&self) -> Word {
        Word::from_bits(self.verdict.load(Ordering::Relaxed))
    }

    fn instant(&self, word: Word) -> Instant {
        // A clock that cannot reach so far never gets there.
        self.base
            .checked_add(Duration::from_millis(word.time()))
            .unwrap_or(self.base)
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            base: Instant::now(),
            verdict: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.verdict(), f)
    }
}

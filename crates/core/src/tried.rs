mod attempt;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use self::attempt::Attempts;
pub use self::attempt::{Attempt, Outcome};
use crate::{DeploymentId, Failure, Meter};

/// The ledger of one request: every attempt, where it went, how it ended, how long it took.
///
/// A request extension. Whoever needs it first puts it there; all clones of the request share it, so that what was
/// tried is known even after futures were dropped. Its lock is held for single reads and writes only.
#[derive(Clone, Default)]
pub struct Tried {
    ledger: Arc<Mutex<Ledger>>,
}

/// Why a request went to another group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FallbackReason {
    /// The group failed.
    Error,
    /// The prompt did not fit.
    ContextWindow,
    /// The provider refused the content.
    ContentPolicy,
    /// Its stream broke after the client had got a part of it.
    StreamRecovery,
}

impl FallbackReason {
    /// Returns a short lower-case name, fit for headers and log fields.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::StreamRecovery => "stream_recovery",
        }
    }
}

#[derive(Default)]
struct Ledger {
    attempts: Attempts,
    hops: u32,
    reason: Option<FallbackReason>,
    failures: Vec<Failure>,
    waited: Waits,
    max_retries: Option<u32>,
    retries_spent: bool,
    recovery: Option<Recovery>,
}

/// Who went on with a stream that had broken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovery {
    /// How often others went on with it.
    pub count: u32,
    /// The deployment that did so last.
    pub deployment: Option<DeploymentId>,
    /// The tokens of its answer.
    pub meter: Option<Meter>,
}

/// How long a request has waited in its present group before its attempts could begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// For deployments to return from their rest.
    pub for_rest: Duration,
    /// For places where as many calls as allowed were in flight.
    pub for_place: Duration,
}

impl Tried {
    /// Opens an empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether anyone else has a clone and may read it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.ledger) > 1
    }

    /// Writes the beginning of an attempt and returns its number, counted from 0 over the whole request.
    ///
    /// The hop is filled in here.
    #[must_use = "the end of the attempt is written under this number"]
    pub fn begin(&self, mut attempt: Attempt) -> usize {
        let mut ledger = self.lock();
        attempt.hop = ledger.hops;
        ledger.attempts.push(attempt);
        ledger.attempts.len() - 1
    }

    /// Writes the end of an attempt.
    pub fn end(&self, number: usize, outcome: Outcome) {
        if let Some(attempt) = self.lock().attempts.get_mut(number) {
            attempt.elapsed = Some(attempt.started.elapsed());
            attempt.outcome = Some(outcome);
        }
    }

    /// Writes that an attempt ended [before anyone was asked](Failure::is_unsent).
    pub fn unsent(&self, number: usize) {
        if let Some(attempt) = self.lock().attempts.get_mut(number) {
            attempt.unsent = true;
        }
    }

    /// Writes that all deployments of the group rested when an attempt failed, and when the first of them returns.
    pub fn none_before(&self, number: usize, until: Instant) {
        if let Some(attempt) = self.lock().attempts.get_mut(number) {
            attempt.none_before = Some(until);
        }
    }

    /// Writes that the request goes on from the last attempt to deployments of a higher order.
    pub fn leave_order(&self) {
        if let Some(attempt) = self.lock().attempts.last_mut() {
            attempt.order_left = true;
        }
    }

    /// Adds to what the request has waited for deployments that rest.
    pub fn wait_for_rest(&self, wait: Duration) {
        let waited = &mut self.lock().waited.for_rest;
        *waited = waited.saturating_add(wait);
    }

    /// Adds to what the request has waited for places.
    pub fn wait_for_place(&self, wait: Duration) {
        let waited = &mut self.lock().waited.for_place;
        *waited = waited.saturating_add(wait);
    }

    /// Returns how long the request has waited since the last hop.
    #[must_use]
    pub fn waited(&self) -> Waits {
        self.lock().waited
    }

    /// Writes that the request goes to another group from here on, because the last one ended with `failure`.
    pub fn hop(&self, reason: FallbackReason, failure: Failure) {
        let mut ledger = self.lock();
        ledger.hops += 1;
        ledger.waited = Waits::default();
        ledger.max_retries = None;
        ledger.reason = Some(reason);
        ledger.failures.push(failure);
    }

    /// Writes that a stream which broke goes on with the answer of another deployment.
    pub fn recover(&self, deployment: Option<DeploymentId>, meter: Option<Meter>) {
        let recovery = &mut self.lock().recovery;
        let before = recovery.as_ref().map_or(0, |recovery| recovery.count);
        *recovery = Some(Recovery {
            count: before + 1,
            deployment,
            meter,
        });
    }

    /// Returns who went on with the stream, if it broke.
    #[must_use]
    pub fn recovery(&self) -> Option<Recovery> {
        self.lock().recovery.clone()
    }

    /// Returns what the groups failed with that another one was asked after, in order.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.lock().failures.clone()
    }

    /// Returns the number of fallback hops so far.
    #[must_use]
    pub fn hops(&self) -> u32 {
        self.lock().hops
    }

    /// Returns the reason of the last fallback hop.
    #[must_use]
    pub fn reason(&self) -> Option<FallbackReason> {
        self.lock().reason
    }

    /// Returns the number of attempts of the whole request, those included that asked no one.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.lock().attempts.len()
    }

    /// Returns the number of attempts of the whole request that were sent.
    #[must_use]
    pub fn sent(&self) -> usize {
        let is_sent = |attempt: &&Attempt| !attempt.unsent;
        self.lock().attempts.iter().filter(is_sent).count()
    }

    /// Returns the number of retries since the last hop: attempts that were sent after its first.
    #[must_use]
    pub fn retries(&self) -> usize {
        let ledger = self.lock();
        ledger
            .attempts
            .iter()
            .filter(|attempt| attempt.hop == ledger.hops && !attempt.unsent)
            .count()
            .saturating_sub(1)
    }

    /// Writes how many retries the present group may have.
    pub fn allow_retries(&self, max: u32) {
        self.lock().max_retries = Some(max);
    }

    /// Returns how many retries the present group may have, once one has begun.
    #[must_use]
    pub fn max_retries(&self) -> Option<u32> {
        self.lock().max_retries
    }

    /// Writes that whatever retries there are were made, or will have been if the client asks again.
    pub fn spend_retries(&self) {
        self.lock().retries_spent = true;
    }

    /// Says whether no retry is left, not even for the client.
    #[must_use]
    pub fn are_retries_spent(&self) -> bool {
        self.lock().retries_spent
    }

    /// Returns the number of the last attempt on a deployment, if it was tried.
    #[must_use]
    pub fn last_on(&self, deployment: &DeploymentId) -> Option<usize> {
        self.lock()
            .attempts
            .iter()
            .rposition(|attempt| attempt.deployment.as_ref() == Some(deployment))
    }

    /// Reads all attempts so far, in order.
    ///
    /// The lock is held meanwhile: `read` must not use this ledger.
    pub fn read<T>(&self, read: impl FnOnce(&[Attempt]) -> T) -> T {
        read(&self.lock().attempts)
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // Every write is a single step: a panic elsewhere cannot leave half of one.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ledger = self.lock();
        f.debug_struct("Tried")
            .field("attempts", &&*ledger.attempts)
            .field("hops", &ledger.hops)
            .finish()
    }
}

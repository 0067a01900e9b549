//! Reads the ledger: where a retry would go, and when it may.
//!
//! A retry goes to a deployment that was not tried yet; if there is none, to the one that asks for no wait or whose
//! wait is over first, and of several to the one tried longest ago in the whole request. Which ones are left is written
//! into each attempt by whoever chose its deployment. Deployments of one origin share their limits: when one of them
//! asks for a wait, it asks for all.

use std::time::Duration;

use tokio::time::Instant;
use ziggurat_core::{Attempt, FailureKind, Outcome};

/// The deployment that a retry would go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Was not tried yet, and may be asked now.
    Free,
    /// Asks for a wait that is not over, itself or through another of its origin: for this long, or `None` if it is
    /// longer than anyone is waited for.
    Resting(Option<Duration>),
    /// Was tried, and may be asked now. A slow one has timed out or asked for a wait before.
    Second { slow: bool },
}

/// Foresees the next visit of a request, whose attempts in the present group begin with number `first`.
///
/// No wait of more than `max_wait` is made.
pub(crate) fn next(attempts: &[Attempt], first: usize, max_wait: Duration) -> Visit {
    let Some(last) = attempts.get(first..).and_then(<[Attempt]>::last) else {
        return Visit::Second { slow: false };
    };
    if last.left_untried() {
        return next_untried(attempts, last, max_wait);
    }
    let target = next_tried(attempts, last);
    let related = |attempt: &&Attempt| is_related(attempt, target);
    match Rest::longest(attempts.iter().filter(related), max_wait) {
        Rest::Over => Visit::Second {
            slow: is_slow(attempts, target),
        },
        Rest::For(rest) => Visit::Resting(Some(rest)),
        Rest::TooLong => Visit::Resting(None),
    }
}

/// Returns the last attempt on the deployment whose turn it is when all were tried: one that asks for no wait, or whose
/// wait is over first; of several, the one tried longest ago.
fn next_tried<'a>(attempts: &'a [Attempt], last: &'a Attempt) -> &'a Attempt {
    if last.tried_others.is_empty() {
        return last;
    }
    let now = Instant::now();
    let others = last.tried_others.iter().filter_map(|n| attempts.get(*n));
    let rests = |target: &&Attempt| {
        let related = attempts.iter().filter(|it| is_related(it, target));
        let until = related.filter_map(Attempt::not_before).max();
        until.filter(|until| *until > now)
    };
    // Of equals the first is the least, and the others come in the order in which they were tried.
    others.chain([last]).min_by_key(rests).unwrap_or(last)
}

/// Foresees a visit to one of the deployments that were left untried by the last attempt.
fn next_untried(attempts: &[Attempt], last: &Attempt, max_wait: Duration) -> Visit {
    if last.untried_elsewhere {
        return Visit::Free;
    }
    let here = last.untried_here.then(|| {
        let related = |attempt: &&Attempt| shares_limits(attempt, last);
        Rest::longest_made(attempts.iter().filter(related), max_wait)
    });
    let elsewhere = last.resting_until.map(|until| {
        let asked = |attempt: &&Attempt| attempt.not_before() == Some(until);
        Rest::longest_made(attempts.iter().filter(asked), max_wait)
    });
    // The first whose wait is over is preferred then.
    match here.into_iter().chain(elsewhere).min() {
        Some(Rest::For(rest)) => Visit::Resting(Some(rest)),
        Some(Rest::TooLong) => Visit::Resting(None),
        Some(Rest::Over) | None => Visit::Free,
    }
}

/// What is left of the waits that were asked for, the shortest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rest {
    Over,
    For(Duration),
    /// A wait that is not made, as more was asked for than is waited for.
    TooLong,
}

impl Rest {
    fn longest<'a>(attempts: impl Iterator<Item = &'a Attempt>, max_wait: Duration) -> Self {
        Self::each(attempts, max_wait).max().unwrap_or(Self::Over)
    }

    /// Those that are not made count only if there are no others.
    fn longest_made<'a>(attempts: impl Iterator<Item = &'a Attempt>, max_wait: Duration) -> Self {
        let rests = Self::each(attempts, max_wait);
        let longest = rests.max_by_key(|rest| (*rest != Self::TooLong, *rest));
        longest.unwrap_or(Self::Over)
    }

    /// Returns those that are not over.
    fn each<'a>(
        attempts: impl Iterator<Item = &'a Attempt>,
        max_wait: Duration,
    ) -> impl Iterator<Item = Self> {
        let mut now = None;
        attempts.filter_map(move |attempt| {
            let until = attempt.not_before()?;
            // Most ask for no wait, so that the clock is not read.
            let now = *now.get_or_insert_with(Instant::now);
            if until <= now {
                return None;
            }
            // What was asked for counts, not what is left of it: else a wait that is not made would be made later on.
            let too_long = wait_asked(attempt).is_some_and(|wait| wait > max_wait);
            Some(match too_long {
                true => Self::TooLong,
                false => Self::For(until - now),
            })
        })
    }
}

fn is_slow(attempts: &[Attempt], target: &Attempt) -> bool {
    let mut visits = attempts.iter().filter(|attempt| is_same(attempt, target));
    visits.any(|visit| {
        visit.failed_with(FailureKind::Timeout)
            || wait_asked(visit).is_some_and(|wait| !wait.is_zero())
    })
}

fn wait_asked(attempt: &Attempt) -> Option<Duration> {
    match attempt.outcome {
        Some(Outcome::Failed { retry_after, .. }) => retry_after,
        _ => None,
    }
}

fn is_same(a: &Attempt, b: &Attempt) -> bool {
    // A service without a name is the same one only within its group.
    a.deployment == b.deployment && (a.deployment.is_some() || a.hop == b.hop)
}

fn is_related(a: &Attempt, b: &Attempt) -> bool {
    is_same(a, b) || shares_limits(a, b)
}

fn shares_limits(a: &Attempt, b: &Attempt) -> bool {
    a.origin.is_some() && a.origin == b.origin
}

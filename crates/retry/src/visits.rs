//! Reads the ledger: where a retry would go, and when it may.
//!
//! A retry goes to a deployment that was not tried yet; if there is none, to the one tried longest ago. Deployments of
//! one origin share their limits: when one of them asks for a wait, it asks for all.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use ziggurat_core::{Attempt, FailureKind, Outcome};

/// The deployment that a retry would go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Was not tried yet, and may be asked now.
    Free,
    /// Asks for this wait, itself or through another of its origin.
    Resting(Duration),
    /// Was tried, and may be asked now. A slow one has timed out or asked for a wait before.
    Second { slow: bool },
}

/// Foresees the next visit of a request, whose attempts in the present group begin with number `first`.
pub(crate) fn next(attempts: &[Attempt], first: usize) -> Visit {
    let now = Instant::now();
    let group = attempts.get(first..).unwrap_or_default();
    let untried = group.last().map_or(0, |last| last.untried);
    let mut limited = Origin::all_in(group);
    limited.retain(|origin| origin.untried > 0 && origin.until > Some(now));
    if untried > limited.iter().map(|origin| origin.untried).sum() {
        return Visit::Free;
    }
    // The first whose wait is over is preferred then.
    let until = match limited.iter().filter_map(|origin| origin.until).min() {
        Some(until) if untried > 0 => Some(until),
        _ => longest_ago(group).and_then(|target| rests_until(attempts, target)),
    };
    match until {
        Some(until) if until > now => Visit::Resting(until - now),
        _ => Visit::Second {
            slow: longest_ago(group).is_some_and(|target| is_slow(attempts, target)),
        },
    }
}

/// What is known of an origin from the attempts on it.
struct Origin<'a> {
    name: &'a Arc<str>,
    /// How many of its deployments were not tried.
    untried: usize,
    /// When the wait that it asked for is over.
    until: Option<Instant>,
}

impl<'a> Origin<'a> {
    fn all_in(group: &'a [Attempt]) -> Vec<Self> {
        let mut origins: Vec<Self> = Vec::new();
        for attempt in group {
            let Some(name) = &attempt.origin else {
                continue;
            };
            // Neither its own origin's nor those that had to wait when it began did an attempt count as elsewhere.
            let waiting =
                |origin: &&Self| origin.name != name && origin.until > Some(attempt.started);
            let waiting: usize = origins.iter().filter(waiting).map(|it| it.untried).sum();
            let own = attempt
                .untried
                .saturating_sub(attempt.untried_elsewhere + waiting);
            let until = attempt.not_before();
            match origins.iter_mut().find(|origin| origin.name == name) {
                Some(origin) => {
                    origin.untried = own;
                    origin.until = origin.until.max(until);
                }
                None => origins.push(Self {
                    name,
                    untried: own,
                    until,
                }),
            }
        }
        origins
    }
}

/// Returns the last attempt on the deployment that was tried longest ago.
fn longest_ago(group: &[Attempt]) -> Option<&Attempt> {
    group.iter().enumerate().find_map(|(i, attempt)| {
        let again = group[i + 1..].iter().any(|later| is_same(later, attempt));
        (!again).then_some(attempt)
    })
}

/// Returns the end of the longest wait that the target, or another of its origin, asked for.
fn rests_until(attempts: &[Attempt], target: &Attempt) -> Option<Instant> {
    let shares_limits =
        |attempt: &Attempt| target.origin.is_some() && attempt.origin == target.origin;
    attempts
        .iter()
        .filter(|attempt| is_same(attempt, target) || shares_limits(attempt))
        .filter_map(Attempt::not_before)
        .max()
}

fn is_slow(attempts: &[Attempt], target: &Attempt) -> bool {
    attempts
        .iter()
        .filter(|attempt| is_same(attempt, target))
        .any(|attempt| match attempt.outcome {
            Some(Outcome::Failed { kind, retry_after }) => {
                kind == FailureKind::Timeout || retry_after.is_some_and(|wait| !wait.is_zero())
            }
            _ => false,
        })
}

fn is_same(a: &Attempt, b: &Attempt) -> bool {
    // A service without a name is the same one only within its group.
    a.deployment == b.deployment && (a.deployment.is_some() || a.hop == b.hop)
}

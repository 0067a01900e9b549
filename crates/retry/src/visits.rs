//! Reads the ledger: where a retry would go, and whether anyone is at home there.

use std::time::Duration;

use tokio::time::Instant;
use ziggurat_core::{Attempt, FailureKind, Outcome};

/// Returns the last attempt on the deployment that a retry within `group` would ask, if all that are free were tried:
/// the one asked longest ago.
///
/// Untried deployments that are left then share the limits of the last one; it stands for them.
pub(crate) fn next(group: &[Attempt]) -> Option<&Attempt> {
    let last = group.last()?;
    if last.untried > 0 {
        return Some(last);
    }
    group.iter().enumerate().find_map(|(i, attempt)| {
        let again = group[i + 1..].iter().any(|later| is_same(later, attempt));
        (!again).then_some(attempt)
    })
}

/// Returns how long the target, or another deployment that shares its limits, still asks to be left alone.
pub(crate) fn rest(attempts: &[Attempt], target: &Attempt) -> Option<Duration> {
    attempts
        .iter()
        .filter(|attempt| is_same(attempt, target) || shares_limits(attempt, target))
        .filter_map(Attempt::not_before)
        .max()
        .map(|until| until.saturating_duration_since(Instant::now()))
        .filter(|rest| !rest.is_zero())
}

/// Says whether the target asked for a wait or timed out, at any time in this request.
pub(crate) fn is_slow(attempts: &[Attempt], target: &Attempt) -> bool {
    attempts
        .iter()
        .filter(|attempt| is_same(attempt, target))
        .any(|attempt| match attempt.outcome {
            Some(Outcome::Failed { kind, retry_after }) => {
                kind == FailureKind::Timeout || asks_to_wait(retry_after)
            }
            _ => false,
        })
}

/// Says whether there is a wait at all: `Retry-After: 0` asks for none.
pub(crate) fn asks_to_wait(retry_after: Option<Duration>) -> bool {
    retry_after.is_some_and(|wait| !wait.is_zero())
}

fn is_same(a: &Attempt, b: &Attempt) -> bool {
    // A service without a name is the same one only within its group.
    a.deployment == b.deployment && (a.deployment.is_some() || a.hop == b.hop)
}

fn shares_limits(a: &Attempt, b: &Attempt) -> bool {
    a.origin.is_some() && a.origin == b.origin
}

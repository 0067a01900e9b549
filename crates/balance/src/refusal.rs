use std::time::Duration;

use ziggurat_core::{Failure, FailureKind, Rejection};

/// What callers know this refusal by.
const MESSAGE: &str = "No deployments available for selected model";

/// The sum of the rejections of all endpoints.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    kind: Option<FailureKind>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// Adds the rejection of one endpoint: the kind stays if all agree, the wait is the shortest given.
    pub(crate) fn add(&mut self, rejection: &Rejection) {
        self.kind = Some(match self.kind {
            Some(kind) if kind != rejection.kind() => FailureKind::NoCandidate,
            _ => rejection.kind(),
        });
        self.retry_after = match (self.retry_after, rejection.retry_after()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        let rejection = Self::new(refusal.kind.unwrap_or(FailureKind::NoCandidate));
        match refusal.retry_after {
            Some(wait) => rejection.with_retry_after(wait),
            None => rejection,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let message = match refusal.retry_after {
            Some(wait) => format!("{MESSAGE}, Try again in {} seconds", whole_seconds(wait)),
            None => MESSAGE.to_owned(),
        };
        Self::from(Rejection::from(refusal)).with_message(message)
    }
}

/// Rounds up: asking a moment too early is refused again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}

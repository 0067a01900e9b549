use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};
use ziggurat_core::{DeploymentId, Failure, FailureKind, Waited};

use crate::{error::Elapsed, limits::Deadline};

/// A shorter delay than this is the scheduler's, and not worth a word.
const NOTICEABLE: Duration = Duration::from_millis(100);

/// Watches a deadline, and registers with the clock only when someone has to wait.
#[derive(Debug)]
pub(crate) struct Timer {
    deadline: Option<Deadline>,
    /// Boxed, so that what holds the timer is `Unpin` and small.
    sleep: Option<Pin<Box<Sleep>>>,
    deployment: Option<DeploymentId>,
    /// How long the body was waited for, the time until the head included; `None` before the head.
    waited: Option<Waited>,
}

impl Timer {
    pub(crate) const fn new(deadline: Option<Deadline>, deployment: Option<DeploymentId>) -> Self {
        Self {
            deadline,
            sleep: None,
            deployment,
            waited: None,
        }
    }

    /// Goes on with the deadline of a body; what is registered stays so if the deadline is the same.
    pub(crate) fn of_body(mut self, deadline: Option<Deadline>) -> Self {
        if self.deadline != deadline {
            self.deadline = deadline;
            self.sleep = None;
        }
        // The limit began with the call.
        self.waited = deadline.map(|Deadline { at, after, .. }| {
            let left = at.saturating_duration_since(Instant::now());
            Waited::of(after.saturating_sub(left))
        });
        self
    }

    /// Ends a wait.
    pub(crate) fn heard(&mut self) {
        if let Some(waited) = &mut self.waited {
            waited.end();
        }
    }

    /// Waits for the deadline; without one, forever.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        if let Some(waited) = &mut self.waited {
            waited.begin();
        }
        let sleep = || Box::pin(sleep_until(deadline.at));
        ready!(self.sleep.get_or_insert_with(sleep).as_mut().poll(cx));
        let mut failure = failure(deadline);
        let waited = self.waited.as_ref();
        if waited.is_some_and(|waited| waited.falls_short_of(deadline.after)) {
            failure = failure.with_blameless();
        }
        Poll::Ready(match self.deployment.take() {
            Some(deployment) => failure.with_deployment(deployment),
            None => failure,
        })
    }
}

fn failure(Deadline { at, after, whole }: Deadline) -> Failure {
    let late = at.elapsed();
    let elapsed = after.saturating_add(late);
    let what = if whole { "total timeout" } else { "timeout" };
    let limit = after.as_secs_f64();
    let message = if late < NOTICEABLE {
        format!("{what} after {limit} s")
    } else {
        format!(
            "{what} after {:.1} s, the limit was {limit} s",
            elapsed.as_secs_f64()
        )
    };
    Failure::new(FailureKind::Timeout)
        .with_message(message)
        .with_limit(after)
        .with_source(Elapsed::new(after, elapsed))
}

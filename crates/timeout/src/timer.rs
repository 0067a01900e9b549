use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Sleep, sleep_until};
use ziggurat_core::{DeploymentId, Failure, FailureKind};

use crate::{error::Elapsed, limits::Deadline};

/// Watches a deadline, and registers with the clock only when someone has to wait.
#[derive(Debug)]
pub(crate) struct Timer {
    deadline: Option<Deadline>,
    /// Boxed, so that what holds the timer is `Unpin` and small.
    sleep: Option<Pin<Box<Sleep>>>,
    deployment: Option<DeploymentId>,
}

impl Timer {
    pub(crate) const fn new(deadline: Option<Deadline>, deployment: Option<DeploymentId>) -> Self {
        Self {
            deadline,
            sleep: None,
            deployment,
        }
    }

    /// Goes on with another deadline; what is registered stays so if the deadline is the same.
    pub(crate) fn with_deadline(mut self, deadline: Option<Deadline>) -> Self {
        if self.deadline != deadline {
            self.deadline = deadline;
            self.sleep = None;
        }
        self
    }

    /// Waits for the deadline; without one, forever.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let Some(Deadline { at, after }) = self.deadline else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        ready!(sleep.as_mut().poll(cx));
        let failure = Failure::new(FailureKind::Timeout)
            .with_message(format!("timeout after {} s", after.as_secs_f64()))
            .with_limit(after)
            .with_source(Elapsed::new(after));
        Poll::Ready(match self.deployment.take() {
            Some(deployment) => failure.with_deployment(deployment),
            None => failure,
        })
    }
}

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};
use ziggurat_core::{DeploymentId, Failure, FailureKind, Waited};

use crate::error::{Elapsed, Limit};

/// When a limit that began with the call passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) after: Duration,
}

/// Watches the limits of one call, and registers with the clock only when someone has to wait.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    first: Option<Deadline>,
    idle: Option<Duration>,
    total: Option<Deadline>,
    in_body: bool,
    /// The waits so far, if a total is counted.
    waited: Waited,
    /// What earlier waits add to the current silence: those that ended with a comment.
    silent: Duration,
    /// Boxed, so that what holds the clock is `Unpin` and small.
    sleep: Option<Pin<Box<Sleep>>>,
    deployment: Option<DeploymentId>,
}

impl Clock {
    pub(crate) const fn new(
        first: Option<Deadline>,
        idle: Option<Duration>,
        total: Option<Deadline>,
        deployment: Option<DeploymentId>,
    ) -> Self {
        Self {
            first,
            idle,
            total,
            in_body: false,
            waited: Waited::of(Duration::ZERO),
            silent: Duration::ZERO,
            sleep: None,
            deployment,
        }
    }

    pub(crate) const fn deployment(&self) -> Option<&DeploymentId> {
        self.deployment.as_ref()
    }

    /// Waits for the first content: to be polled when there is nothing to read.
    pub(crate) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let first = self.first.map(|deadline| (Limit::First, deadline));
        self.poll(cx, nearer(first, self.total()))
    }

    /// Goes on after the first content: all the time so far was a wait.
    pub(crate) fn begin_body(mut self) -> Self {
        // The total began with the call.
        if let Some(Deadline { at, after }) = self.total {
            let left = at.saturating_duration_since(Instant::now());
            self.waited = Waited::of(after.saturating_sub(left));
        }
        self.in_body = true;
        self
    }

    /// Waits for more: to be polled when there is nothing to read. The first such poll begins the silence.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let since = self.waited.begin();
        let idle = self.idle.and_then(|after| {
            let at = since.checked_add(after.saturating_sub(self.silent))?;
            Some((Limit::Idle, Deadline { at, after }))
        });
        self.poll(cx, nearer(idle, self.total()))
    }

    /// Ends the silence.
    pub(crate) fn heard(&mut self) {
        match self.total {
            Some(_) => drop(self.waited.end()),
            None => self.waited.forget(),
        }
        self.silent = Duration::ZERO;
    }

    /// Ends a wait, but not the silence.
    pub(crate) fn heard_comment(&mut self) {
        let (Some(wait), Some(idle)) = (self.waited.end(), self.idle) else {
            return;
        };
        let silent = self.silent + wait;
        // A wait that outlasted the limit was the reader's, who did not come to see it pass.
        if silent < idle {
            self.silent = silent;
        }
    }

    fn total(&self) -> Option<(Limit, Deadline)> {
        self.total.map(|deadline| (Limit::Total, deadline))
    }

    fn poll(&mut self, cx: &mut Context<'_>, next: Option<(Limit, Deadline)>) -> Poll<Failure> {
        let Some((limit, Deadline { at, after })) = next else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        // It may have been set for an earlier silence: then it is set anew when it wakes, not for each frame.
        ready!(sleep.as_mut().poll(cx));
        if sleep.deadline() < at {
            sleep.as_mut().reset(at);
            ready!(sleep.as_mut().poll(cx));
        }
        let seconds = after.as_secs_f64();
        let message = match limit {
            Limit::First => format!("timeout after {seconds} s without content"),
            Limit::Idle => format!("timeout after {seconds} s of silence"),
            Limit::Total => format!("timeout after {seconds} s"),
        };
        let failure = Failure::new(FailureKind::Timeout)
            .with_message(message)
            .with_limit(after)
            .with_source(Elapsed::new(limit, after));
        let failure = if self.is_the_readers(limit, after) {
            failure.with_blameless()
        } else {
            failure
        };
        Poll::Ready(self.name(failure))
    }

    /// Says whether the time went to whoever read the stream.
    fn is_the_readers(&self, limit: Limit, after: Duration) -> bool {
        // Before its first content a stream has no reader but this layer.
        limit == Limit::Total && self.in_body && self.waited.falls_short_of(after)
    }

    /// Names the deployment in a failure that names none.
    pub(crate) fn name(&self, failure: Failure) -> Failure {
        match &self.deployment {
            Some(deployment) if failure.deployment().is_none() => {
                failure.with_deployment(deployment.clone())
            }
            _ => failure,
        }
    }
}

fn nearer(a: Option<(Limit, Deadline)>, b: Option<(Limit, Deadline)>) -> Option<(Limit, Deadline)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.1.at < a.1.at { b } else { a }),
        (a, b) => a.or(b),
    }
}

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use crate::{DeploymentId, Failure, FailureKind, ModelGroup};

/// One attempt: one call of a service that stands for a deployment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The deployment, unless the service has no name.
    pub deployment: Option<DeploymentId>,
    /// The group through which it was reached.
    pub group: Option<ModelGroup>,
    /// The number of fallback hops before it; 0 in the first group.
    pub hop: u32,
    /// What shares its limits: deployments of one origin are limited together.
    pub origin: Option<Arc<str>>,
    /// The deployment's own number of retries.
    pub max_retries: Option<u32>,
    /// Whether other deployments of the group that share this attempt's origin would have taken the request and were
    /// not tried before.
    pub untried_here: bool,
    /// Whether there are such that live elsewhere, without those of an origin that has asked this request for a wait
    /// which is not over.
    pub untried_elsewhere: bool,
    /// When the first of those that live elsewhere and have to wait for that may be asked; `None` if there are none.
    pub resting_until: Option<Instant>,
    /// The numbers of the last attempts on those other deployments of the group that would have taken the request and
    /// were tried before, in order: the one tried longest ago first.
    pub tried_others: Vec<usize>,
    /// The deployment's declared order: lower ones have their turn first, those without one last.
    pub order: Option<f64>,
    /// Whether deployments of a higher order than any that was tried in the group would have taken the request.
    pub higher_order: bool,
    /// Whether such a deployment would be asked next, as none of a lower order is preferred to it.
    pub higher_order_next: bool,
    /// Whether the request has [gone on](crate::Tried::leave_order) to those of a higher order, whoever is left of this one.
    pub order_left: bool,
    /// When it failed and all deployments of the group rested: when the first of them takes requests again.
    pub none_before: Option<Instant>,
    /// When it started.
    pub started: Instant,
    /// How long it took to its outcome.
    pub elapsed: Option<Duration>,
    /// How it ended; `None` while it runs, and if it was dropped.
    pub outcome: Option<Outcome>,
    /// Whether it ended before anyone was asked: whoever counts attempts does not count it.
    pub unsent: bool,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// A response came, with this status, that no one has called a failure.
    Answered(StatusCode),
    /// It failed.
    Failed {
        /// What went wrong.
        kind: FailureKind,
        /// The wait that the upstream asked for.
        retry_after: Option<Duration>,
    },
}

/// Most requests make one attempt: it needs no list of its own.
#[derive(Default)]
pub(super) enum Attempts {
    #[default]
    None,
    One([Attempt; 1]),
    Many(Vec<Attempt>),
}

impl Attempt {
    /// Starts an attempt now, on a service without a name.
    #[must_use]
    pub fn start() -> Self {
        Self {
            deployment: None,
            group: None,
            hop: 0,
            origin: None,
            max_retries: None,
            untried_here: false,
            untried_elsewhere: false,
            resting_until: None,
            tried_others: Vec::new(),
            order: None,
            higher_order: false,
            higher_order_next: false,
            order_left: false,
            none_before: None,
            started: Instant::now(),
            elapsed: None,
            outcome: None,
            unsent: false,
        }
    }

    /// Says whether any other deployment of the group would have taken the request and was not tried before.
    #[must_use]
    pub fn left_untried(&self) -> bool {
        self.untried_here || self.untried_elsewhere || self.resting_until.is_some()
    }

    /// Returns the time before which the deployment asked not to be called again.
    #[must_use]
    pub fn not_before(&self) -> Option<Instant> {
        match self.outcome {
            Some(Outcome::Failed {
                retry_after: Some(wait),
                ..
            }) => self.started.checked_add(self.elapsed?)?.checked_add(wait),
            _ => None,
        }
    }

    /// Returns the order as a number to compare by: infinite if there is none.
    #[must_use]
    pub fn level(&self) -> f64 {
        self.order.unwrap_or(f64::INFINITY)
    }

    /// Says whether it ended with a failure of this kind.
    #[must_use]
    pub fn failed_with(&self, kind: FailureKind) -> bool {
        matches!(self.outcome, Some(Outcome::Failed { kind: failed, .. }) if failed == kind)
    }
}

impl Attempts {
    pub(super) fn push(&mut self, attempt: Attempt) {
        match self {
            Self::None => *self = Self::One([attempt]),
            Self::Many(all) => all.push(attempt),
            Self::One(_) => {
                let mut all = Vec::with_capacity(4);
                if let Self::One([first]) = mem::take(self) {
                    all.push(first);
                }
                all.push(attempt);
                *self = Self::Many(all);
            }
        }
    }
}

impl Deref for Attempts {
    type Target = [Attempt];

    fn deref(&self) -> &[Attempt] {
        match self {
            Self::None => &[],
            Self::One(one) => one,
            Self::Many(all) => all,
        }
    }
}

impl DerefMut for Attempts {
    fn deref_mut(&mut self) -> &mut [Attempt] {
        match self {
            Self::None => &mut [],
            Self::One(one) => one,
            Self::Many(all) => all,
        }
    }
}

impl Outcome {
    /// The outcome of a call: what [`judge`](crate::judge) made of it, else the status of the response.
    pub fn of<B>(result: &Result<http::Response<B>, Failure>, failure: Option<&Failure>) -> Self {
        match (failure, result) {
            (Some(failure), _) | (None, Err(failure)) => Self::Failed {
                kind: failure.kind(),
                retry_after: failure.retry_after(),
            },
            (None, Ok(response)) => Self::Answered(response.status()),
        }
    }
}

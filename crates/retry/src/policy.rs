use std::{fmt, sync::Arc, time::Duration};

use tower::retry::budget::Budget;
use ziggurat_core::{ByStatus, Failure, FailureKind};

use crate::{RetryPolicy, backoff::Backoff};

/// The settings of a layer, shared by all its services.
#[derive(Clone, Debug)]
pub(crate) struct Policy<C> {
    pub(crate) classify: C,
    pub(crate) max_retries: u32,
    /// Numbers that take the place of all others but a request's 0.
    pub(crate) by_class: RetryPolicy,
    /// Whether untried deployments are asked beyond the number of retries.
    pub(crate) exhaust_untried: bool,
    pub(crate) max_attempts_per_request: Option<usize>,
    /// A longer wait is not made.
    pub(crate) max_wait: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) budget: Option<Shared>,
}

/// A budget that other layers may have, too.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) Arc<dyn Budget + Send + Sync>);

/// Whom a failure leaves to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// No one of this group: all would answer alike.
    None,
    /// Deployments that were not tried yet: the same one would answer as before.
    Untried,
    /// All, the same one included.
    Any,
}

/// LiteLLM's longest `Retry-After` that is waited for.
const MAX_WAIT: Duration = Duration::from_secs(60);

impl Policy<ByStatus> {
    pub(crate) fn new(max_retries: u32) -> Self {
        Self {
            classify: ByStatus,
            max_retries,
            by_class: RetryPolicy::new(),
            exhaust_untried: false,
            max_attempts_per_request: None,
            max_wait: MAX_WAIT,
            backoff: Backoff::default(),
            budget: None,
        }
    }
}

impl<C> Policy<C> {
    pub(crate) fn with_classify<D>(self, classify: D) -> Policy<D> {
        Policy {
            classify,
            max_retries: self.max_retries,
            by_class: self.by_class,
            exhaust_untried: self.exhaust_untried,
            max_attempts_per_request: self.max_attempts_per_request,
            max_wait: self.max_wait,
            backoff: self.backoff,
            budget: self.budget,
        }
    }

    /// Says whether there is a cap on the attempts of a request.
    pub(crate) fn has_cap(&self) -> bool {
        self.max_attempts_per_request.is_some()
    }

    /// Says whether a request has made all the attempts that it may.
    pub(crate) fn is_capped(&self, attempts: usize) -> bool {
        self.max_attempts_per_request
            .is_some_and(|max| attempts >= max)
    }

    /// Says whom to ask after a failure. A number for its class means that the operator wants it asked again, whoever
    /// would be asked otherwise; but a refusal that was made here is made here again.
    pub(crate) fn scope(&self, failure: &Failure, was_answered: bool) -> Scope {
        let scope = Scope::of(failure);
        let wanted = || self.by_class.retries(failure).is_some_and(|n| n > 0);
        match scope {
            Scope::None | Scope::Untried if was_answered && wanted() => Scope::Any,
            scope => scope,
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget")
    }
}

impl Scope {
    /// What the kind of a failure says, corrected by the upstream's own word where it gave one.
    pub(crate) fn of(failure: &Failure) -> Self {
        let kind = failure.kind();
        // A group without room tells when it has some again; until then it would answer alike.
        if failure.is_unsent() && failure.retry_after().is_some() {
            return Self::None;
        }
        match (Self::of_kind(kind), failure.should_retry()) {
            (scope, None) => scope,
            (Self::Any | Self::Untried, Some(false)) => Self::Untried,
            (Self::None, Some(false)) => Self::None,
            // What was refused here, or for what it says, is refused again whatever the upstream's headers hope.
            (scope, Some(true)) if kind.is_local() || is_about_content(kind) => scope,
            (_, Some(true)) => Self::Any,
        }
    }

    fn of_kind(kind: FailureKind) -> Self {
        match kind {
            kind if kind.is_local() || is_about_content(kind) => Self::None,
            FailureKind::BadRequest
            | FailureKind::PayloadTooLarge
            | FailureKind::PaymentRequired => Self::None,
            // Another deployment may have another key, account or model.
            FailureKind::Authentication
            | FailureKind::PermissionDenied
            | FailureKind::NotFound
            | FailureKind::QuotaExceeded => Self::Untried,
            _ => Self::Any,
        }
    }
}

pub(crate) fn is_about_content(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::ContextWindow | FailureKind::ContentPolicy
    )
}

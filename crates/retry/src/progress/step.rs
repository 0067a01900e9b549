//! What to do about a failure.

use std::time::Duration;

use ziggurat_core::{Attempt, Failure, FailureKind};

use super::{End, Progress};
use crate::{
    policy::{Policy, Scope, is_about_content},
    visits::{self, Visit},
};

/// What to do about a failure.
pub(super) enum Step {
    /// Return it, for this reason.
    Stop(&'static str),
    /// Ask an untried deployment at once: this one did not take the request at all.
    PassOver,
    /// Ask again at once.
    Go,
    /// Ask a deployment that still asks for this wait.
    Wait(Duration),
    /// Ask a deployment that asks for none, or an untried one whose origin asks for one that is not made.
    BackOff,
    /// Ask those of the next order, after this wait.
    LeaveOrder(Duration),
}

impl Progress {
    /// Decides within the order that was tried, and if that is the end, whether there is a next one.
    pub(super) fn step<C>(
        &self,
        policy: &Policy<C>,
        end: &End<'_>,
        fallback_ahead: bool,
        attempts: &[Attempt],
    ) -> Step {
        let step = self.step_within_order(policy, end, fallback_ahead, attempts);
        if !matches!(step, Step::Stop(_))
            || !opens_next_order(end)
            || policy.is_capped(attempts.len())
            || self.next_order(attempts).is_none()
        {
            return step;
        }
        match visits::next(attempts, self.first, policy.max_wait) {
            Visit::Resting(Some(rest)) if !fallback_ahead => Step::LeaveOrder(rest),
            _ => Step::LeaveOrder(Duration::ZERO),
        }
    }

    /// Returns the attempt that has just failed, if it left deployments of a higher order.
    ///
    /// Each order is left once: those after it may have no place, so that others are asked in their stead.
    fn next_order<'a>(&self, attempts: &'a [Attempt]) -> Option<&'a Attempt> {
        let last = attempts.get(self.current..)?.last()?;
        let group = attempts.get(self.first..)?;
        let left = |it: &Attempt| it.order_left && it.level() >= last.level();
        let is_next = last.higher_order && !self.no_failover && !group.iter().any(left);
        is_next.then_some(last)
    }

    /// Says whether a step leads to the next order, and so is no retry.
    pub(super) fn leaves_order(&self, step: &Step, attempts: &[Attempt]) -> bool {
        let last = self.next_order(attempts);
        last.is_some_and(|last| last.higher_order_next || matches!(step, Step::LeaveOrder(_)))
    }

    fn step_within_order<C>(
        &self,
        policy: &Policy<C>,
        end: &End<'_>,
        fallback_ahead: bool,
        attempts: &[Attempt],
    ) -> Step {
        const SOONER: &str = "another group answers sooner";
        const TOO_LONG: &str = "it asks for a longer wait than is made";
        if self.passes_over {
            return Step::PassOver;
        }
        let untried = self.left_untried(attempts);
        match self.scope(policy, end, untried) {
            Scope::None => return Step::Stop("the group would answer alike"),
            Scope::Untried if !untried => return Step::Stop("all deployments were tried"),
            Scope::Untried | Scope::Any => {}
        }
        let fresh = self.is_fresh(attempts);
        if !self.is_within(policy, attempts.len(), fresh) {
            return Step::Stop("no retry is left");
        }
        match visits::next(attempts, self.first, policy.max_wait) {
            Visit::Free => Step::Go,
            // Rather too early a call of an untried one than another group.
            _ if fallback_ahead && untried => Step::Go,
            Visit::Second { slow: false } if fallback_ahead => Step::Go,
            _ if fallback_ahead => Step::Stop(SOONER),
            Visit::Resting(Some(rest)) => Step::Wait(rest),
            Visit::Resting(None) if !fresh => Step::Stop(TOO_LONG),
            Visit::Resting(None) | Visit::Second { .. } => Step::BackOff,
        }
    }

    /// Says whether the deployment refused for itself alone, so that an untried one is asked as if it had been first.
    pub(super) fn may_pass_over<C>(
        &self,
        policy: &Policy<C>,
        end: &End<'_>,
        attempts: &[Attempt],
    ) -> bool {
        is_for_itself(end.failure)
            && self.is_fresh(attempts)
            && !self.is_capped(policy, attempts.len())
    }

    /// A refusal of one for itself says nothing of the others: what they failed with before counts.
    fn scope<C>(&self, policy: &Policy<C>, end: &End<'_>, untried: bool) -> Scope {
        match &self.earlier {
            _ if !is_for_itself(end.failure) => policy.scope(end.failure, end.was_answered),
            _ if untried => Scope::Untried,
            Some(earlier) => policy.scope(earlier, earlier.upstream().is_some()),
            None => Scope::None,
        }
    }

    fn left_untried(&self, attempts: &[Attempt]) -> bool {
        let last = attempts.get(self.first..).and_then(<[Attempt]>::last);
        last.is_some_and(Attempt::left_untried)
    }

    /// Says whether untried deployments are left, and come nearer with each attempt: one that has no place stays untried,
    /// however often others are asked in its place, or none.
    fn is_fresh(&self, attempts: &[Attempt]) -> bool {
        let made = attempts.get(self.current..).unwrap_or_default();
        self.left_untried(attempts) && !made.is_empty() && !is_repeated(attempts)
    }
}

/// Says whether those of the next order may answer otherwise: a prompt that does not fit and content that is refused
/// have groups of their own, and what was refused here was refused for all.
fn opens_next_order(end: &End<'_>) -> bool {
    let kind = end.failure.kind();
    let is_local = !end.was_answered && (kind.is_local() || end.failure.is_unsent());
    (!is_local || is_for_itself(end.failure)) && !is_about_content(kind)
}

/// Says whether a deployment refused, without asking its upstream, what others may take: its provider has no words for
/// it.
pub(super) fn is_for_itself(failure: &Failure) -> bool {
    failure.is_unsent() && failure.kind() == FailureKind::BadRequest && failure.upstream().is_none()
}

/// Says whether the last attempt went where the request had been before.
fn is_repeated(attempts: &[Attempt]) -> bool {
    attempts.split_last().is_some_and(|(last, earlier)| {
        let mut earlier = earlier.iter();
        last.deployment.is_some() && earlier.any(|it| it.deployment == last.deployment)
    })
}

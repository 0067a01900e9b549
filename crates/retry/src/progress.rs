use std::time::Duration;

use tokio::time::Instant;
use ziggurat_core::{Attempt, DeploymentId, Failure, ModelGroup, Outcome, Tried, overrides};

use crate::{
    policy::{Policy, Scope},
    visits::{self, Visit},
};

const TARGET: &str = "ziggurat::retry";

/// How far one request has come in its group.
#[derive(Debug)]
pub(crate) struct Progress {
    tried: Tried,
    group: Option<ModelGroup>,
    fallback_ahead: bool,
    /// The request's own number of retries.
    wanted: Option<u32>,
    /// Retries that the client has made itself.
    by_client: u32,
    /// The number of retries, fixed by the first failure.
    allowed: Option<u32>,
    retries: u32,
    backoffs: u32,
    /// Where the attempts of this group begin in the ledger.
    first: usize,
    /// Where the running attempt is, or would be, in the ledger.
    current: usize,
    started: Instant,
}

/// What to do about a failure.
enum Step {
    /// Return it, for this reason.
    Stop(&'static str),
    /// Ask again at once.
    Go,
    /// Ask a deployment that still asks for this wait.
    Wait(Duration),
    /// Ask a deployment that asks for none, or for one that is not made.
    BackOff,
}

// === impl Progress ===

impl Progress {
    /// Begins with a request, and gives it a ledger if it has none.
    pub(crate) fn start<B>(req: &mut http::Request<B>) -> Self {
        let extensions = req.extensions_mut();
        let tried = extensions.get_or_insert_default::<Tried>().clone();
        let attempts = tried.attempts();
        Self {
            tried,
            group: extensions.get().cloned(),
            fallback_ahead: extensions.get::<overrides::FallbackAhead>().is_some(),
            wanted: extensions.get().map(|&overrides::MaxRetries(n)| n),
            by_client: extensions.get().map_or(0, |&overrides::ClientRetries(n)| n),
            allowed: None,
            retries: 0,
            backoffs: 0,
            first: attempts,
            current: attempts,
            started: Instant::now(),
        }
    }

    /// Says whether another attempt may follow the one that is about to begin.
    pub(crate) fn may_follow<C>(&self, policy: &Policy<C>) -> bool {
        self.is_within(policy, self.current + 1)
    }

    /// Begins another attempt.
    pub(crate) fn retry(&mut self) {
        self.retries += 1;
        self.current = self.tried.attempts();
        self.started = Instant::now();
    }

    /// Ends the running attempt, and writes it into the ledger as far as no one below has done so.
    pub(crate) fn finish<R>(
        &self,
        result: &Result<http::Response<R>, Failure>,
        failure: Option<&Failure>,
    ) {
        let outcome = Outcome::of(result, failure);
        let (attempts, written) = self.tried.read(|attempts| {
            let running = attempts.get(self.current..).unwrap_or_default();
            (
                attempts.len(),
                running.last().map(|last| last.outcome.clone()),
            )
        });
        let number = match (written, failure) {
            // No upstream was asked: that is no attempt.
            (None, Some(failure)) if failure.kind().is_local() => return,
            (None, _) => self.tried.begin(self.nameless()),
            // Whoever began it did not see how it ended, or judges otherwise.
            (Some(written), Some(_)) if written.as_ref() != Some(&outcome) => attempts - 1,
            (Some(_), _) => return,
        };
        self.tried.end(number, outcome);
    }

    /// Returns the time after which to ask again, or `None` to return the failure that ended the running attempt.
    pub(crate) fn decide<C>(&mut self, policy: &Policy<C>, failure: &Failure) -> Option<Duration> {
        self.fix_count(policy);
        let step = self
            .tried
            .read(|attempts| self.step(policy, failure, attempts));
        let decision = match step {
            Step::Stop(reason) => Err(reason),
            Step::Go => Ok(Duration::ZERO),
            Step::Wait(wait) => Ok(policy.backoff.at_least(wait)),
            Step::BackOff => {
                let delay = policy.backoff.delay(self.backoffs);
                self.backoffs = self.backoffs.saturating_add(1);
                Ok(delay)
            }
        };
        self.log(failure, decision);
        decision.ok()
    }

    fn log(&self, failure: &Failure, decision: Result<Duration, &'static str>) {
        let attempt = self.tried.attempts();
        let deployment = failure.deployment().cloned().or_else(|| {
            self.tried
                .read(|attempts| attempts.get(self.first..)?.last()?.deployment.clone())
        });
        let deployment = deployment.as_ref().map(DeploymentId::as_str);
        let model_group = self.group.as_ref().map(ModelGroup::as_str);
        let error = failure.kind().as_str();
        match decision {
            Ok(wait) => tracing::debug!(
                target: TARGET,
                attempt, deployment, model_group, error.type = error, wait_ms = wait.as_millis(),
                "retrying"
            ),
            Err(reason) => tracing::debug!(
                target: TARGET,
                attempt, deployment, model_group, error.type = error, reason,
                "not retrying"
            ),
        }
    }

    fn step<C>(&self, policy: &Policy<C>, failure: &Failure, attempts: &[Attempt]) -> Step {
        const SOONER: &str = "another group answers sooner";
        let group = attempts.get(self.first..).unwrap_or_default();
        let untried = group.last().map_or(0, |last| last.untried);
        match Scope::of(failure) {
            Scope::None => return Step::Stop("the group would answer alike"),
            Scope::Untried if untried == 0 => return Step::Stop("all deployments were tried"),
            Scope::Untried | Scope::Any => {}
        }
        if !self.is_within(policy, attempts.len()) {
            return Step::Stop("no retry is left");
        }
        match visits::next(attempts, self.first, policy.max_wait) {
            Visit::Free => Step::Go,
            // Rather too early a call of an untried one than another group.
            _ if self.fallback_ahead && untried > 0 => Step::Go,
            Visit::Second { slow: false } if self.fallback_ahead => Step::Go,
            _ if self.fallback_ahead => Step::Stop(SOONER),
            Visit::Resting(Some(rest)) => Step::Wait(rest),
            Visit::Resting(None) | Visit::Second { .. } => Step::BackOff,
        }
    }

    /// The deployment that fails first decides how many retries its group gets, unless the request does.
    fn fix_count<C>(&mut self, policy: &Policy<C>) {
        if self.allowed.is_some() {
            return;
        }
        let count = self.wanted.or_else(|| {
            self.tried
                .read(|attempts| attempts.get(self.first)?.max_retries)
        });
        let count = count.unwrap_or(policy.max_retries);
        self.allowed = Some(count.saturating_sub(self.by_client));
    }

    /// Says whether both counts, of this group and of the whole request, leave room after `attempts` in the ledger.
    ///
    /// Before the first failure the first count is known only if the request brings it: a deployment may allow more
    /// retries than the layer.
    fn is_within<C>(&self, policy: &Policy<C>, attempts: usize) -> bool {
        let group = match (self.allowed, self.wanted) {
            (Some(allowed), _) => self.retries < allowed,
            (None, Some(wanted)) => wanted > self.by_client,
            (None, None) => true,
        };
        let max = policy.max_attempts_per_request;
        group && max.is_none_or(|max| attempts < max)
    }

    fn nameless(&self) -> Attempt {
        let mut attempt = Attempt::start();
        attempt.started = self.started;
        attempt.group = self.group.clone();
        attempt
    }
}

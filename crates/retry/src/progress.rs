mod step;

use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;
use ziggurat_core::{
    Attempt, Deadline, DeploymentId, Failure, FailureKind, ModelGroup, Outcome, Tried,
    overrides::{ClientRetries, FallbackAhead, Fallbacks, MaxRetries},
};

use self::step::{Step, is_for_itself};
use crate::policy::{Policy, Shared};

const TARGET: &str = "ziggurat::retry";
const DEADLINE: &str = "the deadline comes first";

/// How far one request has come in its group.
#[derive(Debug)]
pub(crate) struct Progress {
    tried: Tried,
    /// The request came without a ledger.
    is_new: bool,
    group: Option<ModelGroup>,
    fallback_ahead: Option<FallbackAhead>,
    deadline: Option<Deadline>,
    /// The request asks for no other deployment than the retries reach.
    no_failover: bool,
    /// The request's own number of retries.
    wanted: Option<u32>,
    /// Retries that the client has made itself, if it counts them.
    by_client: Option<u32>,
    /// The number of retries, fixed by the first failure; those of the client are among them.
    count: Option<u32>,
    retries: u32,
    backoffs: u32,
    /// The last deployment refused for itself alone: what follows is no retry.
    passes_over: bool,
    /// Nothing has been sent again.
    is_first: bool,
    /// What the last attempt that was made failed with.
    earlier: Option<Failure>,
    /// Where the attempts of this group begin in the ledger.
    first: usize,
    /// Where the running attempt is, or would be, in the ledger.
    current: usize,
    started: Instant,
}

/// How an attempt failed.
pub(crate) struct End<'a> {
    pub(crate) failure: &'a Failure,
    /// A response told it: a refusal was not made here.
    pub(crate) was_answered: bool,
    /// Those of the request.
    pub(crate) extensions: &'a Extensions,
}

/// What the ledger says to do.
struct Plan {
    step: Step,
    /// The step leads to the next order.
    leaves_order: bool,
    /// When the first of all deployments that rest returns.
    none_before: Option<Instant>,
}

// === impl Plan ===

impl Plan {
    /// Says whether everyone would still rest after a wait.
    fn is_too_early(&self, wait: Duration) -> bool {
        let then = || Instant::now().checked_add(wait);
        self.none_before
            .is_some_and(|until| then().is_some_and(|then| then < until))
    }
}

// === impl Progress ===

impl Progress {
    /// Begins with a request; if it has no ledger, with a new one.
    pub(crate) fn start<B>(req: &http::Request<B>) -> Self {
        let extensions = req.extensions();
        let brought = extensions.get::<Tried>().cloned();
        let is_new = brought.is_none();
        let tried = brought.unwrap_or_default();
        let attempts = tried.attempts();
        Self {
            tried,
            is_new,
            group: extensions.get().cloned(),
            fallback_ahead: extensions.get().cloned(),
            deadline: extensions.get().copied(),
            no_failover: extensions.get().is_some_and(|it: &Fallbacks| it.disabled),
            wanted: extensions.get().map(|&MaxRetries(n)| n),
            by_client: extensions.get().map(|&ClientRetries(n)| n),
            count: None,
            retries: 0,
            backoffs: 0,
            passes_over: false,
            is_first: true,
            earlier: None,
            first: attempts,
            current: attempts,
            started: Instant::now(),
        }
    }

    /// Gives a request that is about to be sent the ledger, if it came without one.
    pub(crate) fn mark<B>(&self, req: &mut http::Request<B>) {
        if self.is_new {
            req.extensions_mut().insert(self.tried.clone());
        }
    }

    /// Says whether another attempt may follow the one that is about to begin.
    ///
    /// Who is left shows when it has begun, and whether its deployment takes the request at all.
    pub(crate) fn may_follow<C>(&self, policy: &Policy<C>) -> bool {
        !self.is_capped(policy, self.current + 1)
    }

    /// Begins another attempt, after this failure.
    pub(crate) fn retry(&mut self, failure: &Failure) {
        self.is_first = false;
        if !failure.is_unsent() {
            self.earlier = Some(failure.clone());
        }
        let (left, attempts) = self.tried.read(|attempts| {
            let made = attempts.get(self.current..).unwrap_or_default();
            (made.last().is_some_and(|it| it.order_left), attempts.len())
        });
        // The step to the next order is none.
        if !self.passes_over && !left {
            self.retries += 1;
        }
        if let Some(count) = self.count.filter(|_| !self.passes_over) {
            self.tried
                .allow_retries(count.saturating_sub(self.client_retries()));
        }
        self.current = attempts;
        self.started = Instant::now();
    }

    /// Ends the running attempt, and writes it into the ledger as far as no one below has done so.
    pub(crate) fn finish<R>(
        &self,
        result: &Result<http::Response<R>, Failure>,
        failure: Option<&Failure>,
    ) {
        // A success is the end: nobody is left to read of it.
        if failure.is_none() && self.is_new && !self.tried.is_shared() {
            return;
        }
        let outcome = Outcome::of(result, failure);
        let (attempts, is_written) = self.tried.read(|attempts| {
            let running = attempts.get(self.current..).unwrap_or_default();
            let is_written = |last: &Attempt| last.outcome.as_ref() == Some(&outcome);
            (attempts.len(), running.last().map(is_written))
        });
        let number = match (is_written, failure) {
            // No upstream was asked: that is no attempt.
            (None, Some(failure)) if failure.is_unsent() => return,
            (None, _) => self.tried.begin(self.nameless()),
            // Whoever began it did not see how it ended, or judges otherwise.
            (Some(false), Some(_)) => attempts - 1,
            (Some(_), _) => return,
        };
        self.tried.end(number, outcome);
    }

    /// Returns the failure of an earlier attempt, if this one only says that no one was left to ask.
    pub(crate) fn instead_of(&mut self, failure: &Failure) -> Option<Failure> {
        use FailureKind::{CoolingDown, NoCandidate};
        let is_none_left = matches!(failure.kind(), CoolingDown | NoCandidate);
        let is_none_left = is_none_left && failure.upstream().is_none();
        self.earlier
            .take()
            .filter(|_| is_none_left || is_for_itself(failure))
    }

    /// Says whether the deadline has passed before the attempt that was to follow a failure could begin.
    pub(crate) fn is_over(&self, failure: &Failure) -> bool {
        let is_over = !self.allows(Duration::ZERO);
        if is_over {
            self.log(failure, Err(DEADLINE));
        }
        is_over
    }

    /// Returns the time after which to ask again, or `None` to return the failure that ended the running attempt.
    pub(crate) fn decide<C>(&mut self, policy: &Policy<C>, end: &End<'_>) -> Option<Duration> {
        let tried = self.tried.clone();
        let plan = tried.read(|attempts| self.plan(policy, end, attempts));
        let decision = match plan.step {
            Step::Stop(reason) => Err(reason),
            Step::PassOver | Step::Go => Ok(Duration::ZERO),
            Step::Wait(wait) => Ok(policy.backoff.at_least(wait)),
            Step::BackOff => {
                let delay = policy.backoff.delay(self.backoffs);
                self.backoffs = self.backoffs.saturating_add(1);
                Ok(delay)
            }
            Step::LeaveOrder(wait) if wait.is_zero() => Ok(wait),
            Step::LeaveOrder(wait) => Ok(policy.backoff.at_least(wait)),
        };
        let decision = decision.and_then(|wait| {
            if plan.is_too_early(wait) {
                return Err("all deployments rest");
            }
            if !self.allows(wait) {
                return Err(DEADLINE);
            }
            match &policy.budget {
                Some(Shared(budget)) if !self.passes_over && !budget.withdraw() => {
                    Err("the retry budget is empty")
                }
                _ => Ok(wait),
            }
        });
        if decision.is_ok() && plan.leaves_order {
            tried.leave_order();
        }
        self.log(end.failure, decision);
        decision.ok()
    }

    /// Reads from the ledger what to do.
    fn plan<C>(&mut self, policy: &Policy<C>, end: &End<'_>, attempts: &[Attempt]) -> Plan {
        self.passes_over = self.may_pass_over(policy, end, attempts);
        if !self.passes_over {
            self.fix_count(policy, end.failure, attempts);
            // The upstream may have had both.
            self.retries += u32::from(end.failure.is_sent_twice());
        }
        let ahead = self.fallback_ahead.as_ref();
        let ahead = ahead.is_some_and(|it| it.follows(end.failure.kind(), end.extensions));
        let step = self.step(policy, end, ahead, attempts);
        let made = attempts.get(self.current..).unwrap_or_default();
        Plan {
            leaves_order: self.leaves_order(&step, attempts),
            none_before: made.last().and_then(|it| it.none_before),
            step,
        }
    }

    /// Pays for retries to come, of whatever request, if the running attempt succeeded at once.
    pub(crate) fn succeed<C>(&self, policy: &Policy<C>) {
        if let Some(Shared(budget)) = &policy.budget
            && self.is_first
        {
            budget.deposit();
        }
    }

    fn allows(&self, wait: Duration) -> bool {
        self.deadline.is_none_or(|deadline| deadline.allows(wait))
    }

    fn log(&self, failure: &Failure, decision: Result<Duration, &'static str>) {
        if !tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
            return;
        }
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

    /// The first failure decides how many retries its group gets: its class, unless the request wants none; else the
    /// request; else the deployment that failed.
    fn fix_count<C>(&mut self, policy: &Policy<C>, failure: &Failure, attempts: &[Attempt]) {
        if self.count.is_some() {
            return;
        }
        let of_class = || policy.by_class.retries(failure);
        let of_deployment = || attempts.get(self.first)?.max_retries;
        let count = match self.wanted {
            Some(0) => Some(0),
            wanted => of_class().or(wanted).or_else(of_deployment),
        };
        self.count = Some(count.unwrap_or(policy.max_retries));
    }

    /// Says whether both counts, of this group and of the whole request, leave room after `attempts` in the ledger.
    /// `untried` deployments may be left.
    fn is_within<C>(&self, policy: &Policy<C>, attempts: usize, untried: bool) -> bool {
        let exhausts = policy.exhaust_untried && !self.no_failover && untried;
        let made = self.retries.saturating_add(self.client_retries());
        let is_left = self.count.is_some_and(|count| made < count);
        !self.is_capped(policy, attempts) && (exhausts || is_left)
    }

    /// Says whether the request has made all the attempts that it may; each of the client's own counts as one.
    pub(crate) fn is_capped<C>(&self, policy: &Policy<C>, attempts: usize) -> bool {
        policy.is_capped(attempts.saturating_add(self.client_retries() as usize))
    }

    fn client_retries(&self) -> u32 {
        self.by_client.unwrap_or(0)
    }

    /// Ends the group with a failure: tells a client that counts its retries whether it has any left.
    ///
    /// Its next request says how often it has asked, not what was sent for it. So it may come back as long as each time sent
    /// one attempt at most, and finds one less each time: all it asks stays within the count.
    pub(crate) fn give_up<C>(&self, policy: &Policy<C>) {
        let Some(by_client) = self.by_client else {
            return;
        };
        let (here, all) = self.tried.read(|attempts| {
            let sent = |attempts: &[Attempt]| attempts.iter().filter(|it| is_sent(it)).count();
            let here = attempts.get(self.first..).unwrap_or_default();
            (sent(here), sent(attempts))
        });
        let count = self.count.unwrap_or(policy.max_retries);
        let is_left = here == 1 && by_client < count;
        let is_capped = all > 1 && policy.has_cap() || self.is_capped(policy, all);
        if here > 0 && (!is_left || is_capped) {
            self.tried.spend_retries();
        }
    }

    fn nameless(&self) -> Attempt {
        let mut attempt = Attempt::start();
        attempt.started = self.started;
        attempt.group = self.group.clone();
        attempt
    }
}

/// Says whether an attempt may have reached an upstream.
fn is_sent(attempt: &Attempt) -> bool {
    !matches!(attempt.outcome, Some(Outcome::Failed { kind, .. }) if kind.is_local())
}

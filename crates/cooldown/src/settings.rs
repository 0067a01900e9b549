use std::time::Duration;

use http::{Extensions, StatusCode};
use tokio::time::Instant;
use ziggurat_core::{
    DeploymentId, Failure, FailureKind, LastResort, Rejection,
    vitals::{Change, Phase, Recovery, Trial},
};

use crate::{
    Breaker, CoolingDown, FailureClass, Group, TARGET,
    class::{Weight, is_lasting},
    counts::Sum,
};

/// How soon to ask again while a trial runs, of which no one knows how long it takes.
const WHILE_TRIED: Duration = Duration::from_secs(1);

/// The settings of a layer, shared by all its services.
#[derive(Clone, Debug)]
pub(crate) struct Settings<C> {
    pub(crate) classify: C,
    pub(crate) gate: Gate,
}

/// Lets calls through, and hears how they ended.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) breaker: Breaker,
    pub(crate) group: Option<Group>,
    pub(crate) protected: bool,
    pub(crate) last_resort: bool,
    /// Also after what the next call would fail with as well.
    pub(crate) hopeless_too: bool,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    /// `None` if it does not rest, but has someone else to serve first.
    remaining: Option<Duration>,
    last_kind: Option<FailureKind>,
    last_status: Option<StatusCode>,
    last_resort: Option<Instant>,
    /// It takes the request if no one else does.
    yields: bool,
}

/// What a call means for the cooldown.
#[derive(Debug)]
pub(crate) enum Role {
    /// One of many.
    Plain,
    /// It decides whether the deployment comes back.
    Trial(Trial),
    /// It has brought the deployment back, and goes on.
    Recovered(Recovery),
}

// === impl Gate ===

impl Gate {
    /// Says whether a call would be let through. Reserves nothing.
    pub(crate) fn check(&self, extensions: &Extensions) -> Result<(), Refusal> {
        if self.is_never_shut() || is_last_resort(extensions) {
            return Ok(());
        }
        match self.breaker.cooling().phase() {
            Phase::Closed if self.breaker.takes_share() => Ok(()),
            Phase::Waiting => Ok(()),
            phase => Err(self.refusal(phase)),
        }
    }

    /// Lets a call through or not; one that is the trial gets the reservation.
    pub(crate) fn enter(&self, extensions: &Extensions) -> Result<Option<Trial>, Refusal> {
        if self.is_never_shut() {
            return Ok(None);
        }
        loop {
            match self.breaker.cooling().phase() {
                Phase::Closed => {
                    self.breaker.took();
                    return Ok(None);
                }
                // Another may be quicker; then look again.
                Phase::Waiting => {
                    if let Some(trial) = Trial::reserve(self.breaker.vitals()) {
                        return Ok(Some(trial));
                    }
                }
                _ if is_last_resort(extensions) => return Ok(None),
                phase => return Err(self.refusal(phase)),
            }
        }
    }

    /// Counts a success.
    pub(crate) fn succeed(&self, role: Role, deployment: Option<&DeploymentId>) {
        if self.is_off() {
            return;
        }
        if let Role::Trial(trial) = role {
            self.recover(trial, deployment);
        }
        self.breaker.counts().calls().succeed();
    }

    /// Ends the cooldown, though the call that is its trial may go on.
    pub(crate) fn recover(&self, trial: Trial, deployment: Option<&DeploymentId>) -> Role {
        let Some(recovery) = trial.succeed_early() else {
            return Role::Plain;
        };
        // Whoever comes back begins anew: else the next failure alone would send it away again.
        self.breaker.counts().clear();
        let deployment = deployment.map(DeploymentId::as_str);
        tracing::info!(target: TARGET, deployment, "cooldown ended");
        Role::Recovered(recovery)
    }

    /// Counts a failure, and begins a cooldown if it is one too many. `status` is that of the upstream's answer.
    pub(crate) fn fail(
        &self,
        failure: &Failure,
        status: Option<StatusCode>,
        role: Role,
        deployment: Option<&DeploymentId>,
    ) {
        if self.is_off() {
            return;
        }
        let kind = failure.kind();
        let weight = Weight::of(kind);
        let Some((failures, trips)) = self.count(failure, weight) else {
            return;
        };
        let deployment = deployment.or(failure.deployment());
        let deployment = deployment.map(DeploymentId::as_str);
        tracing::debug!(
            target: TARGET,
            deployment,
            error.type = kind.as_str(),
            failures,
            "failure counted"
        );
        if weight == Weight::None && !trips {
            return;
        }
        let (vitals, rules) = (self.breaker.vitals(), self.breaker.rules());
        vitals.cooling().fail(kind, status);
        let time = |strikes| rules.time_after(strikes, failure.retry_after());
        let change = match role {
            Role::Trial(trial) => Some(trial.fail(kind, status, time)),
            Role::Recovered(recovery) if recovery.is_latest() => {
                self.send_away(|| recovery.revoke(kind, status, time))
            }
            _ if !trips || self.protected => return,
            _ => self.send_away(|| vitals.cooling().cool(kind, status, time)),
        };
        let seconds = vitals.cooling().remaining().unwrap_or_default();
        let seconds = seconds.as_secs_f64();
        let kind = kind.as_str();
        match change {
            Some(Change::Began | Change::Reopened) => {
                tracing::info!(target: TARGET, deployment, seconds, error.type = kind, failures, "cooldown began");
            }
            Some(Change::Extended) => {
                tracing::debug!(target: TARGET, deployment, seconds, error.type = kind, failures, "cooldown prolonged");
            }
            Some(_) => {}
            None => {
                tracing::debug!(target: TARGET, deployment, error.type = kind, failures, "no cooldown, too many others are away");
            }
        }
    }

    /// Counts a failure where it belongs; returns how many there are, and whether they are too many. `None` if it counts
    /// nowhere.
    fn count(&self, failure: &Failure, weight: Weight) -> Option<(u64, bool)> {
        let rules = self.breaker.rules();
        let class = FailureClass::of(failure);
        let listed = class.and_then(|class| Some((class, rules.allowance(class)?)));
        let mut counts = self.breaker.counts();
        if let Some((class, allowed)) = listed {
            let Sum { failures, .. } = counts.class(class).fail();
            return Some((failures, failures > allowed.into()));
        }
        if weight == Weight::None {
            return None;
        }
        let sum = counts.calls().fail();
        let trips = weight == Weight::Immediate || rules.are_too_many(sum);
        Some((sum.failures, trips))
    }

    fn send_away(&self, cool: impl FnOnce() -> Change) -> Option<Change> {
        match &self.group {
            Some(group) => group.send_away(self.breaker.vitals(), cool),
            None => Some(cool()),
        }
    }

    fn refusal(&self, phase: Phase) -> Refusal {
        let cooling = self.breaker.cooling();
        let hopeless = !self.hopeless_too && cooling.cause().is_some_and(is_lasting);
        let may_be_asked = self.last_resort && !hopeless;
        Refusal {
            remaining: match phase {
                Phase::Cooling(remaining) => Some(remaining),
                _ => None,
            },
            yields: phase == Phase::Closed,
            last_kind: cooling.last_kind(),
            last_status: cooling.last_status(),
            // One that someone else sent away may never have failed here: it is as good as any.
            last_resort: may_be_asked
                .then(|| cooling.last_failure().or_else(|| cooling.until()))
                .flatten(),
        }
    }

    fn is_never_shut(&self) -> bool {
        self.protected || self.is_off()
    }

    fn is_off(&self) -> bool {
        self.breaker.rules().time.is_zero()
    }
}

fn is_last_resort(extensions: &Extensions) -> bool {
    extensions.get::<LastResort>().is_some()
}

// === impl Refusal ===

impl Refusal {
    pub(crate) const fn yields(&self) -> bool {
        self.yields
    }

    fn retry_after(&self) -> Duration {
        let wait = self.remaining.unwrap_or(WHILE_TRIED);
        wait.max(Duration::from_millis(1))
    }

    /// Returns the failure of a call that was made all the same.
    pub(crate) fn into_failure(self, deployment: Option<DeploymentId>) -> Failure {
        let wait = self.retry_after();
        let seconds = wait
            .as_secs()
            .saturating_add(u64::from(wait.subsec_nanos() > 0));
        let message = match (self.last_status, self.last_kind) {
            (Some(status), _) => format!(
                "cooling down after status {}, try again in {seconds} s",
                status.as_u16()
            ),
            (None, Some(kind)) => format!("cooling down ({kind}), try again in {seconds} s"),
            (None, None) => format!("cooling down, try again in {seconds} s"),
        };
        let failure = Failure::from(Rejection::from(self))
            .with_message(message)
            .with_source(CoolingDown::new(self.remaining, self.last_status));
        match deployment {
            Some(deployment) => failure.with_deployment(deployment),
            None => failure,
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        let mut rejection =
            Self::new(FailureKind::CoolingDown).with_retry_after(refusal.retry_after());
        if let Some(status) = refusal.last_status {
            rejection = rejection.with_last_status(status);
        }
        if let Some(failed) = refusal.last_resort {
            rejection = rejection.with_last_resort(failed);
        }
        if refusal.yields {
            rejection = rejection.with_yielding();
        }
        rejection
    }
}

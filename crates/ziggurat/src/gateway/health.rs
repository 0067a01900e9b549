//! Checks of deployments in the background, and what they do to routing.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::ServiceExt;
use ziggurat_config::{Config, Deployment};
use ziggurat_cooldown::CooldownLayer;
use ziggurat_core::{
    Admit, ByStatus, DeploymentId, Failure, FailureKind, JsonBody, LlmRequest, Operation, Vitals,
    json::Document, judge,
};
use ziggurat_models::Provider;
use ziggurat_provider::ProviderService;

use super::{
    endpoint::Parts,
    group,
    groups::{Groups, Reached},
};

const TARGET: &str = "ziggurat::health";

/// One of the two messages that LiteLLM sends, with its limit of tokens for answers, in the form of an operation.
const fn question(operation: Operation) -> &'static [u8] {
    match operation {
        Operation::Completions => {
            br#"{"model":"health-check","prompt":"What's 1 + 1?","max_tokens":5}"#
        }
        Operation::Embeddings => br#"{"model":"health-check","input":"What's 1 + 1?"}"#,
        // OpenAI takes no lower limit.
        Operation::Responses => {
            br#"{"model":"health-check","input":"What's 1 + 1?","max_output_tokens":16}"#
        }
        _ => {
            br#"{"model":"health-check","messages":[{"role":"user","content":"What's 1 + 1?"}],"max_tokens":5}"#
        }
    }
}

/// LiteLLM's `HEALTH_CHECK_TIMEOUT_SECONDS`.
const LIMIT: Duration = Duration::from_secs(60);

/// All deployments are checked first within this time.
const FIRST: Duration = Duration::from_secs(5);

/// A shorter interval is taken for this one: each check costs a call.
const SHORTEST: Duration = Duration::from_secs(1);

/// Asks one deployment now and then whether it answers.
///
/// A check is a request with an answer of a few tokens, or for one embedding, straight to the upstream: no limit of the deployment counts
/// it, nothing but this asks again, and no filter refuses it. The outcome is kept in the deployment's
/// [`Vitals`](ziggurat_core::Vitals).
///
/// Nothing is checked unless [`run`](Self::run) is polled: spawn it, and drop it when the gateway is dropped.
#[derive(Clone)]
pub struct HealthCheck {
    deployment: DeploymentId,
    vitals: Arc<Vitals>,
    leaf: ProviderService,
    operation: Operation,
    background: bool,
    /// Hears of failures, if they are to count like those of calls.
    cooldown: Option<CooldownLayer>,
    interval: Duration,
    limit: Duration,
    ignore_transient: bool,
}

/// What the outcomes of checks are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routing {
    /// Nothing.
    Off,
    /// Who failed less than so long ago is passed over.
    Filter(Duration),
    /// Failures count like those of calls.
    Cooldown,
}

impl Routing {
    pub(super) fn of(config: &Config) -> Self {
        let health = &config.settings.health;
        if !health.background_health_checks || !health.enable_health_check_routing {
            return Self::Off;
        }
        match config.settings.cooldown.allowed_fails_policy {
            Some(_) => Self::Cooldown,
            None => Self::Filter(health.health_check_staleness_threshold),
        }
    }
}

/// Says whether a deployment is checked in the background, if any is.
pub(super) fn is_checked(deployment: &Deployment) -> bool {
    !deployment.disable_background_health_check && asked_for(deployment).is_some()
}

/// Returns what a deployment can be asked for; `None` if there is no question for it.
fn asked_for(deployment: &Deployment) -> Option<Operation> {
    // Which model a pattern stands for, each request says itself.
    if deployment.blocked || deployment.litellm_model.contains('*') {
        return None;
    }
    let legacy = deployment.provider == Provider::TextCompletionOpenAi;
    match deployment.mode.as_deref() {
        _ if legacy => Some(Operation::Completions),
        None | Some("chat" | "completion") => Some(Operation::Chat),
        Some("responses") => Some(Operation::Responses),
        Some("embedding") => Some(Operation::Embeddings),
        Some(_) => None,
    }
}

/// Returns the operation, or chat where the deployment does not have it.
fn spoken(operation: Operation, leaf: &ProviderService) -> Operation {
    let mut request = Request::new(());
    request.extensions_mut().insert(operation);
    match leaf.admit(&request) {
        Ok(()) => operation,
        Err(_) => Operation::Chat,
    }
}

/// Returns the time between two checks of a deployment.
pub(super) fn interval(config: &Config) -> Duration {
    config.settings.health.health_check_interval.max(SHORTEST)
}

/// Returns a check of every deployment that can be asked.
pub(super) fn checks(config: &Config, parts: &HashMap<String, Parts>) -> Vec<HealthCheck> {
    let health = &config.settings.health;
    let groups = Groups::of(config);
    let builder = group::Builder::new(config, parts, &groups, None);
    let interval = interval(config);
    let check = |deployment: &Deployment| {
        let parts = parts.get(&deployment.id)?;
        let group = groups.get(&deployment.model_name);
        let group = group.filter(|group| group.reached == Reached::AsGroup)?;
        let counts = Routing::of(config) == Routing::Cooldown;
        let own = config.settings.timeout_for(deployment);
        let background = health.background_health_checks && is_checked(deployment);
        let limit = own.min(LIMIT);
        Some(HealthCheck {
            deployment: deployment.id.as_str().into(),
            vitals: Arc::clone(parts.breaker().vitals()),
            leaf: parts.leaf().clone(),
            operation: spoken(asked_for(deployment)?, parts.leaf()),
            background,
            cooldown: counts.then(|| parts.cooldown(&builder.membership(group))),
            interval,
            limit: if background {
                limit.min(interval)
            } else {
                limit
            },
            ignore_transient: health.health_check_ignore_transient_errors,
        })
    };
    let deployments = config.deployments.iter();
    deployments.filter_map(check).collect()
}

// === impl HealthCheck ===

impl HealthCheck {
    /// Returns whom it asks.
    #[must_use]
    pub fn deployment(&self) -> &DeploymentId {
        &self.deployment
    }

    /// Says whether the configuration wants it to [`run`](Self::run).
    #[must_use]
    pub fn is_background(&self) -> bool {
        self.background
    }

    /// Checks within the first five seconds, and then once per interval, a little sooner by chance so that deployments and
    /// processes do not fall into step. It does not end.
    pub async fn run(self) {
        sleep(FIRST.min(self.interval).mul_f64(fastrand::f64())).await;
        loop {
            let next = Instant::now() + self.interval.mul_f64(1.0 - 0.1 * fastrand::f64());
            self.check().await;
            sleep_until(next).await;
        }
    }

    /// Checks once.
    ///
    /// It takes at most 60 s, and no longer than the deployment's own limit and, in the background, the interval.
    pub async fn check(&self) {
        let asked = timeout(self.limit, self.ask()).await;
        let asked = asked.unwrap_or_else(|_| Err(Failure::new(FailureKind::Timeout)));
        let Err(failure) = asked else {
            return self.note(None);
        };
        let (kind, deployment) = (failure.kind(), self.deployment.as_str());
        if self.ignore_transient && matches!(failure.status().as_u16(), 408 | 429) {
            tracing::debug!(target: TARGET, deployment, error.type = kind.as_str(), "transient failure ignored");
            return;
        }
        if let Some(cooldown) = &self.cooldown {
            cooldown.record_failure(&failure.with_deployment(self.deployment.clone()));
        }
        if is_of_request(kind) {
            tracing::debug!(target: TARGET, deployment, error.type = kind.as_str(), "the question was refused, which says nothing");
            return;
        }
        self.note(Some(kind));
    }

    async fn ask(&self) -> Result<(), Failure> {
        let document = Document::parse(Bytes::from_static(question(self.operation)));
        let document = document.expect("the question is a JSON object");
        let mut request = Request::new(JsonBody::new(document.clone()));
        let extensions = request.extensions_mut();
        extensions.insert(LlmRequest::new("health-check", false, document));
        extensions.insert(self.operation);
        extensions.insert(self.deployment.clone());
        let answer = self.leaf.clone().oneshot(request).await;
        if let Some(failure) = judge(&ByStatus, &answer) {
            return Err(failure);
        }
        let mut body = answer?.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(Failure::wrap)?;
        }
        Ok(())
    }

    fn note(&self, failure: Option<FailureKind>) {
        let before = self.vitals.health().note(failure);
        let was_failing = before.is_some_and(|before| before.failure.is_some());
        let deployment = self.deployment.as_str();
        match failure.map(FailureKind::as_str) {
            Some(kind) if !was_failing => {
                tracing::info!(target: TARGET, deployment, error.type = kind, "health check failed");
            }
            Some(kind) => {
                tracing::debug!(target: TARGET, deployment, error.type = kind, "health check failed again");
            }
            None if was_failing => {
                tracing::info!(target: TARGET, deployment, "health check passes again");
            }
            None => tracing::debug!(target: TARGET, deployment, "health check passed"),
        }
    }
}

/// Says whether a failure is one of the question, which says nothing of the deployment.
fn is_of_request(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::BadRequest
            | FailureKind::PayloadTooLarge
            | FailureKind::ContextWindow
            | FailureKind::ContentPolicy
    )
}

impl fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthCheck")
            .field("deployment", &self.deployment)
            .field("interval", &self.interval)
            .field("limit", &self.limit)
            .field("last", self.vitals.health())
            .finish_non_exhaustive()
    }
}

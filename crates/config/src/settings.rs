//! The settings that hold for all deployments, with their effective values.

mod balance;
mod classes;
mod cooldown;
mod general;
mod health;
mod region;
mod retry;
mod streams;

use std::time::Duration;

use serde_yaml::Value;

pub use balance::{BalanceSettings, RoutingGroup, Strategy, StrategyArgs};
pub use classes::{AllowedFailsPolicy, RetryPolicy};
pub use cooldown::CooldownSettings;
pub use general::{ErrorTypes, ForwardClientHeaders, GeneralSettings};
pub use health::HealthSettings;
pub(crate) use region::ALLOWED_REGION;
pub use region::RegionSettings;
pub use retry::RetryBudget;
pub use streams::{StreamCommit, StreamRecovery};

use crate::{
    Deployment, Finding, Location, Severity, keys,
    location::Path,
    scalar::{self, Read},
    section::Section,
};

/// Retries of a group if nothing sets them: LiteLLM's own default.
const NUM_RETRIES: u32 = 2;
/// Hops of a request if nothing sets them: LiteLLM's own default.
const MAX_FALLBACKS: u32 = 5;
/// Limit of an attempt if nothing sets one: LiteLLM's own default.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6000);

/// What `router_settings` and `litellm_settings` come to. The router's value wins; with neither
/// set, an environment variable may, and then the default holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Retries on one group; 2 by default.
    pub num_retries: u32,
    /// Retries of one request on all its groups together.
    pub num_retries_per_request: Option<u32>,
    /// Retries by class of errors, for groups without a policy of their own
    /// (`router_settings.retry_policy`); see [`Settings::retry_policy_for`].
    pub retry_policy: Option<RetryPolicy>,
    /// Policies of groups (`router_settings.model_group_retry_policy`), in the order of the file.
    pub model_group_retry_policy: Vec<(String, RetryPolicy)>,
    /// Limit of retries in all traffic (`router_settings.retry_budget`); none by default.
    pub retry_budget: Option<RetryBudget>,
    /// Whether a group is asked again, without the deployments that failed, when its retries are
    /// spent (`router_settings`).
    pub enable_weighted_failover: bool,
    /// Shortest wait before a second visit to a deployment.
    pub retry_after: Duration,
    /// Fallback hops of one request; 5 by default, `ROUTER_MAX_FALLBACKS` in the environment.
    pub max_fallbacks: u32,
    /// Kinds of failures that lead to another group (`router_settings.fallback_on`); all by default.
    pub fallback_on: Option<Vec<String>>,
    /// Whether fallbacks for ordinary failures also take content that a provider refused.
    pub allow_generic_fallback_on_refusal: bool,
    /// `router_settings.timeout`.
    pub timeout: Option<Duration>,
    /// `stream_timeout` of either section.
    pub stream_timeout: Option<Duration>,
    /// Longest gap in a stream (`stream_idle_timeout` of either section); `None`: as long as the
    /// first chunk may take.
    pub stream_idle_timeout: Option<Duration>,
    /// Limit of a whole stream (`stream_total_timeout` of either section).
    pub stream_total_timeout: Option<Duration>,
    /// When a stream is handed out (`router_settings.stream_commit`); with its first content by default.
    pub stream_commit: StreamCommit,
    /// What is done about streams that break (`router_settings.stream_recovery`); nothing by default.
    pub stream_recovery: StreamRecovery,
    /// Limit of a whole request, all its attempts and hops together
    /// (`router_settings.total_timeout`).
    pub total_timeout: Option<Duration>,
    /// `litellm_settings.request_timeout`, `REQUEST_TIMEOUT` in the environment, or 6000 s.
    pub request_timeout: Duration,
    request_timeout_in_file: Option<Duration>,
    /// Whether parameters that a provider does not know are dropped silently.
    pub drop_params: bool,
    /// `litellm_settings.sse_keepalive_ping_interval_seconds`: how long a stream may be silent before its
    /// client gets a sign of life; none by default.
    pub keepalive: Option<Duration>,
    /// Whether upstream connections go through the proxies that `HTTP_PROXY`, `HTTPS_PROXY` and
    /// `NO_PROXY` name (`litellm_settings.aiohttp_trust_env`, `AIOHTTP_TRUST_ENV` in the
    /// environment).
    pub use_proxy_env: bool,
    /// Whether prompts are measured against context windows before a call, and `rpm` and `tpm`
    /// are limits.
    pub enable_pre_call_checks: bool,
    /// Whether `rpm` and `tpm` are limits whatever the strategy
    /// (`router_settings.optional_pre_call_checks`).
    pub enforce_model_rate_limits: bool,
    /// When deployments are left alone, and for how long.
    pub cooldown: CooldownSettings,
    /// In which regions requests may be answered.
    pub region: RegionSettings,
    /// How one of several deployments is chosen.
    pub balance: BalanceSettings,
    /// Background health checks.
    pub health: HealthSettings,
    /// A file that replaces or extends what is known about models, as written
    /// (`router_settings.model_facts`); [`Config::models`](crate::Config::models) has what is in it.
    pub model_facts: Option<String>,
    /// `litellm_settings.json_logs`, or `JSON_LOGS` in the environment: whether a server logs JSON.
    pub json_logs: bool,
    /// `litellm_settings.require_auth_for_metrics_endpoint`: whether `/metrics` asks for the master key, as it does by
    /// default.
    pub require_auth_for_metrics_endpoint: bool,
    /// Groups that settings name.
    pub(crate) named: Vec<Named>,
}

/// A group that a setting names, and where.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) group: String,
    pub(crate) path: String,
    pub(crate) location: Location,
}

// === impl Settings ===

impl Settings {
    pub(crate) fn read(
        router: &mut Section<'_>,
        litellm: &mut Section<'_>,
        general: &mut Section<'_>,
    ) -> Self {
        router.check_keys(&keys::ROUTER);
        litellm.check_keys(&keys::LITELLM);
        let mut named = Vec::new();
        let balance = BalanceSettings::read(router, &mut named);
        let (seconds, count) = (scalar::seconds, scalar::count);
        let num_retries = either(router, litellm, "num_retries", count);
        let request_timeout_in_file = litellm.read("request_timeout", seconds);
        let max_fallbacks = either(router, litellm, "max_fallbacks", count);
        let trust_env = litellm.read("aiohttp_trust_env", scalar::flag);
        Self {
            num_retries: num_retries.unwrap_or(NUM_RETRIES),
            num_retries_per_request: either(router, litellm, "num_retries_per_request", count),
            retry_policy: RetryPolicy::read(router, "retry_policy"),
            model_group_retry_policy: RetryPolicy::read_groups(router, &mut named),
            retry_budget: RetryBudget::read(router),
            enable_weighted_failover: weighted_failover(router, &balance),
            retry_after: router.read("retry_after", seconds).unwrap_or_default(),
            max_fallbacks: max_fallbacks
                .or_else(|| variable(router, "ROUTER_MAX_FALLBACKS", count))
                .unwrap_or(MAX_FALLBACKS),
            fallback_on: failures(router),
            allow_generic_fallback_on_refusal: flag(router, "allow_generic_fallback_on_refusal"),
            timeout: router.read("timeout", scalar::seconds),
            stream_timeout: either(router, litellm, "stream_timeout", seconds),
            stream_idle_timeout: either(router, litellm, "stream_idle_timeout", seconds),
            stream_total_timeout: either(router, litellm, "stream_total_timeout", seconds),
            stream_commit: router
                .read("stream_commit", StreamCommit::read)
                .unwrap_or_default(),
            stream_recovery: router
                .read("stream_recovery", StreamRecovery::read)
                .unwrap_or_default(),
            total_timeout: router.read("total_timeout", seconds),
            request_timeout: request_timeout_in_file
                .or_else(|| variable(litellm, "REQUEST_TIMEOUT", seconds))
                .unwrap_or(REQUEST_TIMEOUT),
            request_timeout_in_file,
            drop_params: flag(litellm, "drop_params"),
            keepalive: litellm.read("sse_keepalive_ping_interval_seconds", scalar::keepalive),
            use_proxy_env: trust_env
                .or_else(|| variable(litellm, "AIOHTTP_TRUST_ENV", scalar::flag))
                .unwrap_or(false),
            enable_pre_call_checks: flag(router, "enable_pre_call_checks"),
            enforce_model_rate_limits: enforce_model_rate_limits(router),
            cooldown: CooldownSettings::read(router, litellm),
            region: RegionSettings::read(router, litellm),
            balance,
            health: HealthSettings::read(router, general),
            model_facts: router.read("model_facts", scalar::text),
            json_logs: litellm
                .read("json_logs", scalar::flag)
                .or_else(|| variable(litellm, "JSON_LOGS", scalar::flag))
                .unwrap_or(false),
            require_auth_for_metrics_endpoint: litellm
                .read("require_auth_for_metrics_endpoint", scalar::flag)
                .unwrap_or(true),
            named,
        }
    }

    /// Puts another limit in the place of `litellm_settings.request_timeout`, as a command line may ask for.
    pub fn set_request_timeout(&mut self, limit: Duration) {
        self.request_timeout = limit;
        self.request_timeout_in_file = Some(limit);
    }

    /// `litellm_settings.request_timeout`, if it is set.
    pub(crate) fn request_timeout_in_file(&self) -> Option<Duration> {
        self.request_timeout_in_file
    }

    /// Returns the limit of one attempt on a deployment that answers in one piece: the
    /// deployment's `timeout` or `request_timeout`, else `litellm_settings.request_timeout`, else
    /// `router_settings.timeout`, else the default.
    #[must_use]
    pub fn timeout_for(&self, deployment: &Deployment) -> Duration {
        deployment
            .timeout
            .or(deployment.request_timeout)
            .or(self.request_timeout_in_file)
            .or(self.timeout)
            .unwrap_or(self.request_timeout)
    }

    /// Returns the limit for a stream: the deployment's `stream_timeout`, else that of the
    /// settings, else `litellm_settings.request_timeout`, else what [`Settings::timeout_for`]
    /// returns.
    #[must_use]
    pub fn stream_timeout_for(&self, deployment: &Deployment) -> Duration {
        deployment
            .stream_timeout
            .or(self.stream_timeout)
            .or(self.request_timeout_in_file)
            .unwrap_or_else(|| self.timeout_for(deployment))
    }

    /// Returns the longest gap in a stream of a deployment, as far as one is set: the deployment's
    /// `stream_idle_timeout`, else that of the settings. `None`: the limit for the first chunk
    /// holds for gaps too.
    #[must_use]
    pub fn stream_idle_timeout_for(&self, deployment: &Deployment) -> Option<Duration> {
        deployment.stream_idle_timeout.or(self.stream_idle_timeout)
    }

    /// Returns the limit of a whole stream of a deployment: the deployment's
    /// `stream_total_timeout`, else that of the settings. `None`: there is no limit.
    #[must_use]
    pub fn stream_total_timeout_for(&self, deployment: &Deployment) -> Option<Duration> {
        deployment
            .stream_total_timeout
            .or(self.stream_total_timeout)
    }

    /// Returns how long a deployment cools down if the upstream does not say: the deployment's
    /// `cooldown_time`, else [`CooldownSettings::time`]. Zero: it never does.
    #[must_use]
    pub fn cooldown_time_for(&self, deployment: &Deployment) -> Duration {
        match deployment.cooldown_time {
            _ if self.cooldown.disable_cooldowns => Duration::ZERO,
            Some(time) => time,
            None => self.cooldown.time(),
        }
    }

    /// Returns the retry policy of a group: its own, which replaces the one for all groups even
    /// where it says nothing, else the one for all groups.
    #[must_use]
    pub fn retry_policy_for(&self, group: &str) -> Option<&RetryPolicy> {
        let mut policies = self.model_group_retry_policy.iter();
        match policies.find(|(name, _)| name == group) {
            Some((_, policy)) => Some(policy),
            None => self.retry_policy.as_ref(),
        }
    }

    /// Returns the retries on a group of which `deployment` failed first.
    #[must_use]
    pub fn num_retries_for(&self, deployment: &Deployment) -> u32 {
        deployment.num_retries.unwrap_or(self.num_retries)
    }
}

/// Reads kinds of failures.
fn failures(router: &mut Section<'_>) -> Option<Vec<String>> {
    let kinds = router.read("fallback_on", scalar::texts)?;
    let known = keys::FAILURES.split_whitespace();
    let list = router.path.key("fallback_on");
    let is_list = router.get("fallback_on").is_some_and(Value::is_sequence);
    for (index, kind) in kinds.iter().enumerate() {
        if known.clone().all(|known| known != kind) {
            let path = if is_list {
                list.index(index)
            } else {
                list.clone()
            };
            let message = match keys::nearest(kind, known.clone()) {
                Some(near) => format!("unknown kind of failure; did you mean `{near}`?"),
                None => "unknown kind of failure".to_owned(),
            };
            router.error(&path, message);
        }
    }
    Some(kinds)
}

/// Reads which of the checks before a call are wanted.
fn enforce_model_rate_limits(router: &mut Section<'_>) -> bool {
    const KEY: &str = "optional_pre_call_checks";
    let checks = router.read(KEY, scalar::texts).unwrap_or_default();
    let path = router.path.key(KEY);
    let is_list = router.get(KEY).is_some_and(Value::is_sequence);
    for (index, check) in checks.iter().enumerate() {
        let path = if is_list {
            path.index(index)
        } else {
            path.clone()
        };
        match keys::CHECKS.lookup(check) {
            keys::Known::Active => {}
            keys::Known::NotActive => router.not_active(&path, &format!(" {check}")),
            keys::Known::Not => {
                let message = match keys::CHECKS.nearest(check) {
                    Some(near) => format!("unknown check; did you mean `{near}`?"),
                    None => "unknown check".to_owned(),
                };
                router.error(&path, message);
            }
        }
    }
    checks
        .iter()
        .any(|check| check == "enforce_model_rate_limits")
}

/// Reads whether a group is asked again without those that failed.
fn weighted_failover(router: &mut Section<'_>, balance: &BalanceSettings) -> bool {
    const KEY: &str = "enable_weighted_failover";
    let enabled = flag(router, KEY);
    let groups = balance.routing_groups.iter();
    let mut strategies = groups
        .map(|group| group.routing_strategy)
        .chain([balance.routing_strategy]);
    let other = strategies.find(|&strategy| strategy != Strategy::SimpleShuffle);
    if let Some(other) = other.filter(|_| enabled) {
        let message = format!("holds for {other} too; in LiteLLM only for simple-shuffle");
        router.warn(&router.path.key(KEY), message);
    }
    enabled
}

/// Reads a flag that is off by default.
fn flag(section: &mut Section<'_>, key: &str) -> bool {
    section.read(key, scalar::flag).unwrap_or(false)
}

/// Reads a setting of both sections, so that mistakes in both are found; the router's wins.
fn either<T>(
    router: &mut Section<'_>,
    litellm: &mut Section<'_>,
    key: &str,
    read: fn(&Value) -> Read<T>,
) -> Option<T> {
    let (first, second) = (router.read(key, read), litellm.read(key, read));
    if first.is_some() && second.is_some() {
        outdone(router, litellm, key);
    }
    first.or(second)
}

/// Reports a value of another section that has no effect, as the router has another one.
pub(crate) fn outdone(router: &Section<'_>, other: &mut Section<'_>, key: &str) {
    other.outdone(key, (router.path.key(key), router.get(key)));
}

/// Reads a setting from the environment.
fn variable<T>(section: &mut Section<'_>, name: &str, read: fn(&Value) -> Read<T>) -> Option<T> {
    let value = section.document.environment.get(name)?;
    read(&Value::String(value)).unwrap_or_else(|message| {
        section.findings.push(Finding {
            severity: Severity::Error,
            message: format!("environment variable: {message}"),
            path: name.to_owned(),
            location: None,
            rule: None,
        });
        None
    })
}

// === impl Named ===

impl Named {
    fn new(section: &Section<'_>, group: &str, path: &Path) -> Self {
        Self {
            group: group.to_owned(),
            path: path.to_string(),
            location: section.document.locate_key(path),
        }
    }

    /// A warning that there is no such group.
    pub(crate) fn unknown(&self) -> Finding {
        Finding {
            severity: Severity::Warning,
            message: format!("no usable deployment is named `{}`", self.group),
            path: self.path.clone(),
            location: Some(self.location.clone()),
            rule: None,
        }
    }
}

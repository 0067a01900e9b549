//! The settings that hold for all deployments, with their effective values.

use std::time::Duration;

use http::HeaderName;
use serde_yaml::Value;

use crate::{
    Deployment, Finding, Secret, Severity,
    document::Document,
    keys,
    scalar::{self, Read},
    section::Section,
};

/// Retries of a group if nothing sets them: LiteLLM's own default.
const NUM_RETRIES: u32 = 2;
/// Hops of a request if nothing sets them: LiteLLM's own default.
const MAX_FALLBACKS: u32 = 5;
/// Limit of an attempt if nothing sets one: LiteLLM's own default.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6000);
/// Largest request body if nothing sets one.
const MAX_REQUEST_SIZE_MB: f64 = 50.0;

/// What `router_settings` and `litellm_settings` come to. The router's value wins; with neither
/// set, an environment variable may, and then the default holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Retries on one group; 2 by default.
    pub num_retries: u32,
    /// Retries of one request on all its groups together.
    pub num_retries_per_request: Option<u32>,
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
    /// `litellm_settings.request_timeout`, `REQUEST_TIMEOUT` in the environment, or 6000 s.
    pub request_timeout: Duration,
    request_timeout_in_file: Option<Duration>,
    /// Whether parameters that a provider does not know are dropped silently.
    pub drop_params: bool,
    /// Whether upstream connections go through the proxies that `HTTP_PROXY`, `HTTPS_PROXY` and
    /// `NO_PROXY` name (`litellm_settings.aiohttp_trust_env`, `AIOHTTP_TRUST_ENV` in the
    /// environment).
    pub use_proxy_env: bool,
    /// Whether prompts are measured against context windows before a call. Not active yet.
    pub enable_pre_call_checks: bool,
    /// Failures before a deployment cools down. Not active yet.
    pub allowed_fails: Option<u32>,
    /// How long a deployment cools down. Not active yet.
    pub cooldown_time: Option<Duration>,
}

/// What `general_settings` come to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GeneralSettings {
    /// `master_key`, or `LITELLM_MASTER_KEY` in the environment.
    pub master_key: Option<Secret>,
    /// `compat_error_types`.
    pub error_types: ErrorTypes,
    /// `expose_fallback_errors_to_caller`.
    pub expose_fallback_errors: bool,
    /// `max_request_size_mb` in bytes; 50 MiB by default.
    pub max_request_bytes: u64,
    /// `forward_client_headers_to_llm_api`.
    pub forward_client_headers: ForwardClientHeaders,
}

/// Whose `type` and `code` error responses carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorTypes {
    /// LiteLLM's: `code` is the status as text.
    #[default]
    LiteLlm,
    /// OpenAI's own.
    OpenAi,
}

/// Which headers of the client go upstream, beside those that always do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardClientHeaders {
    /// None.
    #[default]
    Off,
    /// All that begin with `x-`.
    Custom,
    /// Those of these names, in lower case.
    Listed(Vec<String>),
}

// === impl Settings ===

impl Settings {
    pub(crate) fn read(router: &mut Section<'_>, litellm: &mut Section<'_>) -> Self {
        router.check_keys(&keys::ROUTER);
        litellm.check_keys(&keys::LITELLM);
        check_strategy(router);
        let request_timeout_in_file = litellm.read("request_timeout", scalar::seconds);
        let max_fallbacks = either(router, litellm, "max_fallbacks", scalar::count);
        let trust_env = litellm.read("aiohttp_trust_env", scalar::flag);
        Self {
            num_retries: either(router, litellm, "num_retries", scalar::count)
                .unwrap_or(NUM_RETRIES),
            num_retries_per_request: either(
                router,
                litellm,
                "num_retries_per_request",
                scalar::count,
            ),
            retry_after: router
                .read("retry_after", scalar::seconds)
                .unwrap_or_default(),
            max_fallbacks: max_fallbacks
                .or_else(|| variable(router, "ROUTER_MAX_FALLBACKS", scalar::count))
                .unwrap_or(MAX_FALLBACKS),
            fallback_on: failures(router),
            allow_generic_fallback_on_refusal: router
                .read("allow_generic_fallback_on_refusal", scalar::flag)
                .unwrap_or(false),
            timeout: router.read("timeout", scalar::seconds),
            stream_timeout: either(router, litellm, "stream_timeout", scalar::seconds),
            request_timeout: request_timeout_in_file
                .or_else(|| variable(litellm, "REQUEST_TIMEOUT", scalar::seconds))
                .unwrap_or(REQUEST_TIMEOUT),
            request_timeout_in_file,
            drop_params: litellm.read("drop_params", scalar::flag).unwrap_or(false),
            use_proxy_env: trust_env
                .or_else(|| variable(litellm, "AIOHTTP_TRUST_ENV", scalar::flag))
                .unwrap_or(false),
            enable_pre_call_checks: router
                .read("enable_pre_call_checks", scalar::flag)
                .unwrap_or(false),
            allowed_fails: either(router, litellm, "allowed_fails", scalar::count),
            cooldown_time: either(router, litellm, "cooldown_time", scalar::seconds),
        }
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

/// Reads a setting of both sections, so that mistakes in both are found; the router's wins.
fn either<T>(
    router: &mut Section<'_>,
    litellm: &mut Section<'_>,
    key: &str,
    read: fn(&Value) -> Read<T>,
) -> Option<T> {
    let (first, second) = (router.read(key, read), litellm.read(key, read));
    first.or(second)
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
        });
        None
    })
}

/// Other strategies than the shuffle are known and not active; unknown ones are an error.
fn check_strategy(router: &mut Section<'_>) {
    let Some(strategy) = router.read("routing_strategy", scalar::text) else {
        return;
    };
    let path = router.path.key("routing_strategy");
    let mut strategies = keys::STRATEGIES.split_whitespace();
    if !strategies.any(|known| known == strategy) {
        let known = keys::STRATEGIES.split_whitespace().collect::<Vec<_>>();
        router.error(
            &path,
            format!("unknown strategy; known are {}", known.join(", ")),
        );
    } else if strategy != "simple-shuffle" {
        router.not_active(&path, &format!(" {strategy}; simple-shuffle is used"));
    }
}

// === impl GeneralSettings ===

impl GeneralSettings {
    pub(crate) fn read(general: &mut Section<'_>) -> Self {
        general.check_keys(&keys::GENERAL);
        let size = general.read("max_request_size_mb", scalar::number);
        let size = size
            .filter(|&size| size > 0.0)
            .unwrap_or(MAX_REQUEST_SIZE_MB);
        Self {
            master_key: master_key(general),
            error_types: general
                .read("compat_error_types", error_types)
                .unwrap_or_default(),
            expose_fallback_errors: general
                .read("expose_fallback_errors_to_caller", scalar::flag)
                .unwrap_or(false),
            max_request_bytes: (size * 1_048_576.0) as u64,
            forward_client_headers: general
                .read("forward_client_headers_to_llm_api", forward_client_headers)
                .unwrap_or_default(),
        }
    }
}

/// A key that was meant to be set and is not must not leave the door open.
fn master_key(general: &mut Section<'_>) -> Option<Secret> {
    let document: &Document = general.document;
    let from_env = || document.environment.get("LITELLM_MASTER_KEY");
    let key = general.secret("master_key");
    let key = key.or_else(|| from_env().map(Secret::new));
    let mut unset = document.unset.iter();
    if key.is_none()
        && let Some(unset) = unset.find(|unset| unset.is_at(&general.path, "master_key"))
    {
        let message = format!("environment variable `{}` is not set", unset.variable);
        general.error(&unset.path, message);
    }
    key
}

fn error_types(value: &Value) -> Read<ErrorTypes> {
    match scalar::text(value)?.as_deref() {
        None => Ok(None),
        Some("litellm") => Ok(Some(ErrorTypes::LiteLlm)),
        Some("openai") => Ok(Some(ErrorTypes::OpenAi)),
        Some(_) => Err("expected `litellm` or `openai`".to_owned()),
    }
}

fn forward_client_headers(value: &Value) -> Read<ForwardClientHeaders> {
    if !value.is_sequence() {
        return Ok(scalar::flag(value)?.map(|all| match all {
            true => ForwardClientHeaders::Custom,
            false => ForwardClientHeaders::Off,
        }));
    }
    let mut names = scalar::texts(value)?.unwrap_or_default();
    for name in &mut names {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err("expected the names of HTTP headers".to_owned());
        }
        name.make_ascii_lowercase();
    }
    Ok(Some(ForwardClientHeaders::Listed(names)))
}

//! Deployments: what the entries of `model_list` come to.

mod provider;
mod read;
mod values;

use std::{fmt, time::Duration};

use serde_json::{Map, Value};
use ziggurat_models::Provider;

use crate::{AllowedFailsPolicy, Finding, Location, Secret, location::Path};

pub(crate) use read::{Deployments, EnvDefaults};

/// One place that serves a model group.
#[derive(Clone)]
#[non_exhaustive]
pub struct Deployment {
    /// `model_info.id`, or a hash of the entry that stays the same until the entry changes.
    /// Unique among the deployments of a configuration.
    pub id: String,
    /// The group that the deployment belongs to.
    pub model_name: String,
    /// Who serves the model.
    pub provider: Provider,
    /// The model's name at the provider.
    pub model: String,
    /// `litellm_params.model` as written.
    pub litellm_model: String,
    /// `custom_llm_provider`: who serves the model, whatever its name says.
    pub custom_llm_provider: Option<String>,
    /// The provider's address, a valid `http` or `https` URL.
    pub api_base: Option<String>,
    /// The key to show to the provider.
    pub api_key: Option<Secret>,
    /// The version of the provider's interface.
    pub api_version: Option<String>,
    /// The organization to name to the provider. A list of them makes one deployment each.
    pub organization: Option<String>,
    /// Share of the requests.
    pub weight: Option<f64>,
    /// Requests per minute.
    pub rpm: Option<f64>,
    /// Tokens per minute.
    pub tpm: Option<f64>,
    /// Limit of one attempt.
    pub timeout: Option<Duration>,
    /// Limit for the first chunk of a stream.
    pub stream_timeout: Option<Duration>,
    /// Longest gap in a stream.
    pub stream_idle_timeout: Option<Duration>,
    /// Limit of a whole stream.
    pub stream_total_timeout: Option<Duration>,
    /// Limit of one attempt where `timeout` is not set.
    pub request_timeout: Option<Duration>,
    /// Retries if this deployment fails first; `max_retries` is taken for it where it is absent.
    pub num_retries: Option<u32>,
    /// How long the deployment cools down; zero: never. Of `model_info`, else of `litellm_params`.
    pub cooldown_time: Option<Duration>,
    /// Failures before the deployment cools down. Of `model_info`, else of `litellm_params`.
    pub allowed_fails: Option<u32>,
    /// The same by class of failures. Of `model_info`, else of `litellm_params`.
    pub allowed_fails_policy: Option<AllowedFailsPolicy>,
    /// Requests at a time; 0 is not set.
    pub max_parallel_requests: Option<u32>,
    /// Lower ones are asked first.
    pub order: Option<f64>,
    /// Regions in which the deployment answers.
    pub region_name: Vec<String>,
    /// Tags for tag routing.
    pub tags: Vec<String>,
    /// Price of a token of the prompt. Of `litellm_params`, else of `model_info`.
    pub input_cost_per_token: Option<f64>,
    /// Price of a token of the answer. Of `litellm_params`, else of `model_info`.
    pub output_cost_per_token: Option<f64>,
    /// The model to look facts up by, where the deployment's name does not say it.
    pub base_model: Option<String>,
    /// Longest prompt in tokens, where it differs from the model's facts.
    pub max_input_tokens: Option<u32>,
    /// What the deployment is for: `chat`, `completion`, `embedding`, …
    pub mode: Option<String>,
    /// Whether the background health checks leave it out.
    pub disable_background_health_check: bool,
    /// Whether the group is closed.
    pub blocked: bool,
    /// `keepalive_seconds`: how long a stream may be silent before its client gets a sign of life.
    pub keepalive: Option<Duration>,
    /// `mock_response`: answers without an upstream.
    pub mock_response: Option<String>,
    /// Headers for every call, names in lower case.
    pub extra_headers: Vec<(String, String)>,
    /// Whether parameters that the provider does not know are dropped; wins over the settings.
    pub drop_params: Option<bool>,
    /// Parameters for the provider's client: `azure_ad_token`, `aws_…`, `vertex_…` and the like.
    pub provider_params: ProviderParams,
    /// Defaults for the request body.
    pub defaults: Map<String, Value>,
    /// `model_info` as written.
    pub model_info: Map<String, Value>,
    /// The path of the entry, as in `model_list[0]`.
    pub path: String,
    pub(crate) at: Path,
    pub(crate) has_unset: bool,
    /// Where the entry stands.
    pub location: Option<Location>,
}

/// Parameters for a provider's client. `Debug` shows their names only.
#[derive(Clone, Default)]
pub struct ProviderParams(Map<String, Value>);

/// An entry of `model_list` that cannot serve.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LeftOut {
    /// The group; empty if the entry does not name one.
    pub model_name: String,
    /// The id that the deployment would have; `None` if the entry is too broken to have one.
    pub id: Option<String>,
    /// What is wrong, never empty.
    pub problems: Vec<Finding>,
    /// Where the entry stands.
    pub location: Option<Location>,
}

// === impl Deployment ===

impl Deployment {
    /// Says whether anything here refers to an environment variable that is not set.
    #[must_use]
    pub fn refers_to_unset(&self) -> bool {
        self.has_unset
    }
}

/// Leaves out whatever may hold keys, prompts or addresses with passwords.
impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.extra_headers.iter().map(|(name, _)| name);
        f.debug_struct("Deployment")
            .field("id", &self.id)
            .field("model_name", &self.model_name)
            .field("provider", &self.provider)
            .field("model", &self.model)
            .field("extra_headers", &headers.collect::<Vec<_>>())
            .field("provider_params", &self.provider_params)
            .field("defaults", &self.defaults.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

// === impl ProviderParams ===

impl ProviderParams {
    /// Returns a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns a parameter that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for ProviderParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

// === impl LeftOut ===

impl LeftOut {
    /// Returns all that is wrong in one line.
    #[must_use]
    pub fn reason(&self) -> String {
        let problems = self.problems.iter().map(ToString::to_string);
        problems.collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "deployment `{}` is left out: {}",
            self.model_name,
            self.reason()
        )
    }
}

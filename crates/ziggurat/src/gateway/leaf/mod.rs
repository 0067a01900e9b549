//! The leaf of a deployment: its dialect, made of its parameters.

#[cfg(feature = "anthropic")]
mod anthropic;
#[cfg(feature = "bedrock")]
mod bedrock;
#[cfg(feature = "anthropic")]
mod messages;
mod openai;
mod params;
#[cfg(feature = "vertex")]
mod vertex;
#[cfg(feature = "watsonx")]
mod watsonx;
mod wildcard;

use std::{fmt, sync::Arc};

use ziggurat_config::{Config, Deployment, ForwardClientHeaders};
use ziggurat_core::Served;
use ziggurat_models::{Provider, resolve};
use ziggurat_provider::{Dialect, HttpClient, ProviderService};

use self::{
    params::{Params, Shared},
    wildcard::AnyModel,
};
use super::summary::shown;

/// The leaf of a deployment.
pub(super) struct Built {
    pub(super) service: ProviderService,
    /// The address, written in one way: deployments there share its limits.
    pub(super) origin: String,
    /// Calls carry no key.
    pub(super) keyless: bool,
}

/// A dialect, and the base URL that it calls.
struct Spoken {
    dialect: Arc<dyn Dialect>,
    api_base: String,
    /// Calls carry no key.
    keyless: bool,
}

/// Why a deployment cannot be called.
#[derive(Debug)]
pub(super) enum Unusable {
    /// No dialect speaks to its provider.
    Provider(Provider),
    /// Something is missing that the environment may give.
    Missing(String),
    /// A setting is wrong.
    Setting(String),
}

/// Builds the service that calls a deployment; or says why there is none.
pub(super) fn build(
    config: &Config,
    deployment: &Deployment,
    client: &HttpClient,
) -> Result<Built, Unusable> {
    let shared = Shared::of(config, client);
    let params = Params {
        shared: &shared,
        deployment,
    };
    let mut spoken = match dialect(params) {
        // It asks no upstream, and does without what that would take.
        Err(Unusable::Missing(_)) if deployment.mock_response.is_some() => openai::stand_in()?,
        spoken => spoken?,
    };
    if deployment.litellm_model.contains('*') {
        spoken.dialect = Arc::new(any_model(shared, deployment, spoken.dialect));
    }
    let api_base = shown(&spoken.api_base);
    let origin = api_base.trim_end_matches('/').to_ascii_lowercase();
    let served = Served::new(
        deployment.id.as_str().into(),
        &deployment.litellm_model,
        Some(&api_base),
    );
    #[cfg(feature = "anthropic")]
    let spoken = messages::add(config, deployment, spoken);
    let leaf = ProviderService::new(client.clone(), spoken.dialect, served);
    let leaf = match deployment.keepalive {
        Some(every) => leaf.keep_alive(every),
        None => leaf,
    };
    let leaf = match &deployment.mock_response {
        Some(text) => leaf.mock_response(text.as_str()),
        None => leaf,
    };
    let service = match &config.general.forward_client_headers {
        ForwardClientHeaders::Custom => leaf.forward_custom_headers(true),
        ForwardClientHeaders::Listed(names) => {
            leaf.forward_headers(names.iter().filter_map(|name| name.parse().ok()))
        }
        _ => leaf,
    };
    Ok(Built {
        service,
        origin,
        keyless: spoken.keyless,
    })
}

/// The dialect of a deployment whose model is filled in by each request.
fn any_model(shared: Shared, deployment: &Deployment, common: Arc<dyn Dialect>) -> AnyModel {
    let pattern = &deployment.litellm_model;
    let deployment = deployment.clone();
    let make = move |name: &str| {
        let mut deployment = deployment.clone();
        let custom = deployment.custom_llm_provider.as_deref();
        let (provider, model) = resolve(name, deployment.api_base.as_deref(), custom)
            .map_err(|unknown| unknown.to_string())?;
        (deployment.provider, deployment.model) = (provider, model.to_owned());
        deployment.litellm_model = name.to_owned();
        let params = Params {
            shared: &shared,
            deployment: &deployment,
        };
        let spoken = dialect(params).map_err(|unusable| unusable.to_string())?;
        Ok(spoken.dialect)
    };
    AnyModel::new(pattern, common, Box::new(make))
}

/// Which dialect a deployment's provider speaks.
fn dialect(params: Params<'_>) -> Result<Spoken, Unusable> {
    let provider = params.deployment.provider;
    match provider {
        Provider::OpenAi
        | Provider::TextCompletionOpenAi
        | Provider::Azure
        | Provider::HuggingFace => openai::dialect(params),
        #[cfg(feature = "anthropic")]
        Provider::Anthropic => anthropic::dialect(params),
        #[cfg(feature = "bedrock")]
        Provider::Bedrock => bedrock::dialect(params),
        #[cfg(feature = "vertex")]
        Provider::VertexAi | Provider::Gemini => vertex::dialect(params),
        #[cfg(feature = "watsonx")]
        Provider::Watsonx | Provider::WatsonxText => watsonx::dialect(params),
        _ => Err(Unusable::Provider(provider)),
    }
}

/// The environment variables that a provider's dialect falls back on for a setting.
pub(super) fn env_defaults(provider: Provider, setting: &str) -> &'static [&'static str] {
    match provider {
        Provider::OpenAi
        | Provider::TextCompletionOpenAi
        | Provider::Azure
        | Provider::HuggingFace => openai::face(provider).env_defaults(setting),
        #[cfg(feature = "anthropic")]
        Provider::Anthropic => ziggurat_anthropic::Anthropic::env_defaults(setting),
        #[cfg(feature = "bedrock")]
        Provider::Bedrock => ziggurat_bedrock::Bedrock::env_defaults(setting),
        #[cfg(feature = "vertex")]
        Provider::VertexAi | Provider::Gemini => vertex::face(provider).env_defaults(setting),
        #[cfg(feature = "watsonx")]
        Provider::Watsonx | Provider::WatsonxText => watsonx::env_defaults(setting),
        _ => &[],
    }
}

// === impl Unusable ===

impl Unusable {
    /// No key, and the variables of the environment that may hold one.
    fn no_key(names: &[&str]) -> Self {
        Self::Missing(format!(
            "api_key: missing; set it, or {}",
            names.join(" or ")
        ))
    }

    /// What a builder of a dialect says.
    fn of(error: impl fmt::Display, is_missing: bool) -> Self {
        match is_missing {
            true => Self::Missing(error.to_string()),
            false => Self::Setting(error.to_string()),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(provider) => write!(f, "the provider `{provider}` is not supported"),
            Self::Missing(text) | Self::Setting(text) => f.write_str(text),
        }
    }
}

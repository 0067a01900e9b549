//! The leaf of a deployment: its dialect, made of its parameters.

#[cfg(feature = "anthropic")]
mod anthropic;
#[cfg(feature = "bedrock")]
mod bedrock;
mod openai;
mod params;
#[cfg(feature = "vertex")]
mod vertex;
#[cfg(feature = "watsonx")]
mod watsonx;

use std::sync::Arc;

use ziggurat_config::{Config, Deployment, ForwardClientHeaders};
use ziggurat_core::Served;
use ziggurat_models::Provider;
use ziggurat_provider::{Dialect, HttpClient, ProviderService};

use self::params::Params;
use super::summary::shown;

/// The leaf of a deployment.
pub(super) struct Built {
    pub(super) service: ProviderService,
    /// The address, written in one way: deployments there share its limits.
    pub(super) origin: String,
}

/// A dialect, and the base URL that it calls.
struct Spoken {
    dialect: Arc<dyn Dialect>,
    api_base: String,
}

/// Builds the service that calls a deployment; or says why there is none.
pub(super) fn build(
    config: &Config,
    deployment: &Deployment,
    client: &HttpClient,
) -> Result<Built, String> {
    let spoken = dialect(Params {
        config,
        deployment,
        client,
    })?;
    let api_base = shown(&spoken.api_base);
    let origin = api_base.trim_end_matches('/').to_ascii_lowercase();
    let served = Served::new(
        deployment.id.as_str().into(),
        &deployment.litellm_model,
        Some(&api_base),
    );
    let leaf = ProviderService::new(client.clone(), spoken.dialect, served);
    let service = match &config.general.forward_client_headers {
        ForwardClientHeaders::Custom => leaf.forward_custom_headers(true),
        ForwardClientHeaders::Listed(names) => {
            leaf.forward_headers(names.iter().filter_map(|name| name.parse().ok()))
        }
        _ => leaf,
    };
    Ok(Built { service, origin })
}

/// Which dialect a deployment's provider speaks.
fn dialect(params: Params<'_>) -> Result<Spoken, String> {
    let provider = params.deployment.provider;
    match provider {
        Provider::OpenAi | Provider::Azure | Provider::HuggingFace => openai::dialect(params),
        #[cfg(feature = "anthropic")]
        Provider::Anthropic => anthropic::dialect(params),
        #[cfg(feature = "bedrock")]
        Provider::Bedrock => bedrock::dialect(params),
        #[cfg(feature = "vertex")]
        Provider::VertexAi | Provider::Gemini => vertex::dialect(params),
        #[cfg(feature = "watsonx")]
        Provider::Watsonx | Provider::WatsonxText => watsonx::dialect(params),
        _ => Err(format!("the provider `{provider}` is not supported")),
    }
}

/// The environment variables that a provider's dialect falls back on for a setting.
pub(super) fn env_defaults(provider: Provider, setting: &str) -> &'static [&'static str] {
    match provider {
        Provider::OpenAi | Provider::Azure | Provider::HuggingFace => {
            openai::face(provider).env_defaults(setting)
        }
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

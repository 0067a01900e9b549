//! The leaf of a deployment: its dialect, made of its parameters.

use std::sync::Arc;

use ziggurat_config::{Config, Deployment, ForwardClientHeaders};
use ziggurat_core::Served;
use ziggurat_models::Provider;
use ziggurat_openai::{Builder, OpenAi};
use ziggurat_provider::{HttpClient, ProviderService};

use super::summary::shown;

/// The leaf of a deployment.
pub(super) struct Built {
    pub(super) service: ProviderService,
    /// The address, written in one way: deployments there share its limits.
    pub(super) origin: String,
}

/// Builds the service that calls a deployment; or says why there is none.
pub(super) fn build(
    config: &Config,
    deployment: &Deployment,
    client: &HttpClient,
) -> Result<Built, String> {
    let dialect = dialect(config, deployment)?;
    let api_base = shown(dialect.api_base());
    let origin = api_base.trim_end_matches('/').to_ascii_lowercase();
    let served = Served::new(
        deployment.id.as_str().into(),
        &deployment.litellm_model,
        Some(&api_base),
    );
    let leaf = ProviderService::new(client.clone(), Arc::new(dialect), served);
    let service = match &config.general.forward_client_headers {
        ForwardClientHeaders::Custom => leaf.forward_custom_headers(true),
        ForwardClientHeaders::Listed(names) => {
            leaf.forward_headers(names.iter().filter_map(|name| name.parse().ok()))
        }
        _ => leaf,
    };
    Ok(Built { service, origin })
}

/// The environment variables that a provider's dialect falls back on for a setting.
pub(super) fn env_defaults(provider: Provider, setting: &str) -> &'static [&'static str] {
    match face(provider) {
        Some(face) => face.env_defaults(setting),
        None => &[],
    }
}

fn face(provider: Provider) -> Option<ziggurat_openai::Face> {
    use ziggurat_openai::Face;
    match provider {
        Provider::OpenAi => Some(Face::OpenAi),
        Provider::Azure => Some(Face::Azure),
        Provider::HuggingFace => Some(Face::HuggingFace),
        _ => None,
    }
}

fn dialect(config: &Config, deployment: &Deployment) -> Result<OpenAi, String> {
    let provider = deployment.provider;
    let face =
        face(provider).ok_or_else(|| format!("the provider `{provider}` is not supported"))?;
    let environment = config.clone();
    let mut builder = OpenAi::builder(face, deployment.model.as_str())
        .environment(move |name| environment.env(name))
        .drop_params(
            deployment
                .drop_params
                .unwrap_or(config.settings.drop_params),
        );
    type Set = fn(Builder, String) -> Builder;
    let key = deployment
        .api_key
        .as_ref()
        .map(|key| key.expose().to_owned());
    let token = deployment
        .provider_params
        .text("azure_ad_token")
        .map(str::to_owned);
    let settings: [(Option<String>, Set); 6] = [
        (deployment.api_base.clone(), Builder::api_base),
        (key, Builder::api_key),
        (deployment.api_version.clone(), Builder::api_version),
        (deployment.organization.clone(), Builder::organization),
        (deployment.base_model.clone(), Builder::base_model),
        (token, Builder::azure_ad_token),
    ];
    for (value, set) in settings {
        if let Some(value) = value {
            builder = set(builder, value);
        }
    }
    for (name, value) in &deployment.extra_headers {
        builder = builder.header(name.as_str(), value.as_str());
    }
    for (name, value) in &deployment.defaults {
        let value = serde_json::to_vec(value).map_err(|error| error.to_string())?;
        builder = builder.default_parameter(name.as_str(), value);
    }
    let allowed = deployment
        .provider_params
        .get("allowed_openai_params")
        .and_then(serde_json::Value::as_array);
    let allowed = allowed
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned));
    builder
        .allowed_params(allowed)
        .build()
        .map_err(|error| error.to_string())
}

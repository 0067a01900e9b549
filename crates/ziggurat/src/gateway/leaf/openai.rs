//! OpenAI's family.

use std::sync::Arc;

use ziggurat_models::Provider;
use ziggurat_openai::{Builder, Face, OpenAi};

use super::{Params, Spoken, Unusable};

pub(super) fn face(provider: Provider) -> Face {
    match provider {
        Provider::Azure => Face::Azure,
        Provider::HuggingFace => Face::HuggingFace,
        _ => Face::OpenAi,
    }
}

pub(super) fn dialect(params: Params<'_>) -> Result<Spoken, Unusable> {
    let deployment = params.deployment;
    let face = face(deployment.provider);
    let mut builder = OpenAi::builder(face, deployment.model.as_str())
        .client(params.client())
        .environment(params.environment())
        .completions_only(deployment.provider == Provider::TextCompletionOpenAi)
        .drop_params(params.drop_params())
        .allowed_params(params.allowed());
    type Set = fn(Builder, String) -> Builder;
    let settings: [(Option<String>, Set); 10] = [
        (deployment.api_base.clone(), Builder::api_base),
        (params.api_key(), Builder::api_key),
        (deployment.api_version.clone(), Builder::api_version),
        (deployment.organization.clone(), Builder::organization),
        (deployment.base_model.clone(), Builder::base_model),
        (params.text("azure_ad_token"), Builder::azure_ad_token),
        (params.text("tenant_id"), Builder::tenant_id),
        (params.text("client_id"), Builder::client_id),
        (params.text("client_secret"), Builder::client_secret),
        (params.text("azure_scope"), Builder::azure_scope),
    ];
    for (value, set) in settings {
        if let Some(value) = value {
            builder = set(builder, value);
        }
    }
    for (name, value) in params.headers() {
        builder = builder.header(name, value);
    }
    for (name, value) in params.defaults()? {
        builder = builder.default_parameter(name, value);
    }
    let dialect = builder
        .build()
        .map_err(|error| Unusable::of(&error, error.is_missing()))?;
    if dialect.is_key_missing() {
        let entra = [
            "azure_ad_token",
            "tenant_id with client_id and client_secret",
        ];
        let names = face.env_defaults("api_key");
        return Err(match face {
            Face::Azure => Unusable::no_key(&[names, &entra].concat()),
            _ => Unusable::no_key(names),
        });
    }
    Ok(Spoken {
        api_base: dialect.api_base().to_owned(),
        keyless: dialect.is_keyless(),
        dialect: Arc::new(dialect),
    })
}

/// What stands for the dialect of a deployment that never calls its upstream. Its address is none.
pub(super) fn stand_in() -> Result<Spoken, Unusable> {
    let dialect = OpenAi::builder(Face::OpenAi, "mock")
        .api_base("http://mock.invalid")
        .build()
        .map_err(|error| Unusable::of(&error, false))?;
    Ok(Spoken {
        api_base: dialect.api_base().to_owned(),
        keyless: false,
        dialect: Arc::new(dialect),
    })
}

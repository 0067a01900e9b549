//! IBM watsonx.ai.

use std::sync::Arc;

use ziggurat_models::Provider;
use ziggurat_watsonx::{Builder, Watsonx};

use super::{Params, Spoken, Unusable};

pub(super) fn env_defaults(setting: &str) -> &'static [&'static str] {
    Builder::env_defaults(setting)
}

pub(super) fn dialect(params: Params<'_>) -> Result<Spoken, Unusable> {
    let deployment = params.deployment;
    let mut builder = Watsonx::builder(deployment.model.as_str())
        .text_generation(deployment.provider == Provider::WatsonxText)
        .client(params.client())
        .environment(params.environment())
        .drop_params(params.drop_params())
        .allowed_params(params.allowed());
    type Set = fn(Builder, String) -> Builder;
    let either = |names: [&str; 2]| names.iter().find_map(|name| params.text(name));
    let settings: [(Option<String>, Set); 8] = [
        (deployment.api_base.clone(), Builder::api_base),
        (params.api_key(), Builder::api_key),
        (deployment.api_version.clone(), Builder::api_version),
        (params.text("watsonx_region_name"), Builder::region),
        (either(["token", "watsonx_token"]), Builder::token),
        (
            either(["zen_api_key", "watsonx_zen_api_key"]),
            Builder::zen_api_key,
        ),
        (
            either(["project_id", "watsonx_project"]),
            Builder::project_id,
        ),
        (either(["space_id", "watsonx_space_id"]), Builder::space_id),
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
    Ok(Spoken {
        api_base: dialect.api_base().to_owned(),
        keyless: false,
        dialect: Arc::new(dialect),
    })
}

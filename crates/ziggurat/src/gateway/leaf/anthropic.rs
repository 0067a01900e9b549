//! Anthropic's Messages API.

use std::sync::Arc;

use ziggurat_anthropic::Anthropic;

use super::{Params, Spoken, Unusable};

pub(super) fn dialect(params: Params<'_>) -> Result<Spoken, Unusable> {
    let deployment = params.deployment;
    let mut builder = Anthropic::builder(deployment.model.as_str())
        .environment(params.environment())
        .drop_params(params.drop_params())
        .allowed_params(params.allowed());
    if let Some(url) = &deployment.api_base {
        builder = builder.api_base(url);
    }
    if let Some(key) = params.api_key() {
        builder = builder.api_key(key);
    }
    for (name, value) in params.headers() {
        builder = builder.header(name, value);
    }
    for (name, value) in params.defaults()? {
        builder = builder.default_parameter(name, value);
    }
    let dialect = builder
        .build()
        .map_err(|error| Unusable::of(&error, false))?;
    if dialect.is_key_missing() {
        return Err(Unusable::no_key(Anthropic::env_defaults("api_key")));
    }
    Ok(Spoken {
        api_base: dialect.api_base().to_owned(),
        keyless: false,
        dialect: Arc::new(dialect),
    })
}

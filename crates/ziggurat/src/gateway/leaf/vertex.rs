//! Google's Gemini models.

use std::sync::Arc;

use ziggurat_models::Provider;
use ziggurat_vertex::{Builder, Face, Vertex};

use super::{Params, Spoken, Unusable};

pub(super) fn face(provider: Provider) -> Face {
    match provider {
        Provider::Gemini => Face::Gemini,
        _ => Face::VertexAi,
    }
}

pub(super) fn dialect(params: Params<'_>) -> Result<Spoken, Unusable> {
    let deployment = params.deployment;
    let face = face(deployment.provider);
    #[cfg(feature = "anthropic")]
    if face == Face::VertexAi && deployment.model.as_str().starts_with("claude") {
        return claude(params);
    }
    let mut builder = Vertex::builder(face, deployment.model.as_str())
        .environment(params.environment())
        .client(params.client())
        .drop_params(params.drop_params())
        .allowed_params(params.allowed());
    type Set = fn(Builder, String) -> Builder;
    let settings: [(Option<String>, Set); 5] = [
        (deployment.api_base.clone(), Builder::api_base),
        (params.api_key(), Builder::api_key),
        (params.text("vertex_project"), Builder::project),
        (params.text("vertex_location"), Builder::location),
        (params.document("vertex_credentials"), Builder::credentials),
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
        return Err(Unusable::no_key(face.env_defaults("api_key")));
    }
    Ok(Spoken {
        api_base: dialect.api_base().to_owned(),
        keyless: false,
        dialect: Arc::new(dialect),
    })
}

/// Claude on Vertex AI: Anthropic's format, Google's address and tokens.
#[cfg(feature = "anthropic")]
fn claude(params: Params<'_>) -> Result<Spoken, Unusable> {
    use ziggurat_anthropic::Anthropic;
    use ziggurat_vertex::{Partner, PartnerBuilder};

    let deployment = params.deployment;
    let model = deployment.model.as_str();
    // Vertex AI has versions behind an at sign, which the facts about models do not know.
    let mut anthropic = Anthropic::builder(model.replace('@', "-"))
        .api_key("not-used")
        .drop_params(params.drop_params())
        .allowed_params(params.allowed());
    for (name, value) in params.headers() {
        anthropic = anthropic.header(name, value);
    }
    for (name, value) in params.defaults()? {
        anthropic = anthropic.default_parameter(name, value);
    }
    let anthropic = anthropic
        .build()
        .map_err(|error| Unusable::of(&error, false))?;
    let mut partner = Partner::claude(model)
        .environment(params.environment())
        .client(params.client());
    type Set = fn(PartnerBuilder, String) -> PartnerBuilder;
    let settings: [(Option<String>, Set); 4] = [
        (deployment.api_base.clone(), PartnerBuilder::api_base),
        (params.text("vertex_project"), PartnerBuilder::project),
        (params.text("vertex_location"), PartnerBuilder::location),
        (
            params.document("vertex_credentials"),
            PartnerBuilder::credentials,
        ),
    ];
    for (value, set) in settings {
        if let Some(value) = value {
            partner = set(partner, value);
        }
    }
    let dialect = partner
        .build(anthropic)
        .map_err(|error| Unusable::of(&error, error.is_missing()))?;
    Ok(Spoken {
        api_base: dialect.api_base().to_owned(),
        keyless: false,
        dialect: Arc::new(dialect),
    })
}

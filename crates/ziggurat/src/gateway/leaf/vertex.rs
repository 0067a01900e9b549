//! Google's Gemini models.

use std::sync::Arc;

use ziggurat_models::Provider;
use ziggurat_vertex::{Builder, Face, Vertex};

use super::{Params, Spoken};

pub(super) fn face(provider: Provider) -> Face {
    match provider {
        Provider::Gemini => Face::Gemini,
        _ => Face::VertexAi,
    }
}

pub(super) fn dialect(params: Params<'_>) -> Result<Spoken, String> {
    let deployment = params.deployment;
    let face = face(deployment.provider);
    let mut builder = Vertex::builder(face, deployment.model.as_str())
        .environment(params.environment())
        .client(params.client.clone())
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
    let dialect = builder.build().map_err(|error| error.to_string())?;
    if dialect.is_key_missing() {
        let names = face.env_defaults("api_key").join(" or ");
        return Err(format!("api_key: missing; set it, or {names}"));
    }
    Ok(Spoken {
        api_base: dialect.api_base().to_owned(),
        dialect: Arc::new(dialect),
    })
}

//! AWS Bedrock.

use std::sync::Arc;

use ziggurat_bedrock::{Bedrock, Builder};
use ziggurat_provider::Dialect;

use super::{Params, Spoken, Unusable};

/// What is said at the start of a deployment that cannot be called.
const NO_KEYS: &str = "no AWS credentials: set aws_access_key_id and aws_secret_access_key, AWS_ACCESS_KEY_ID and \
                       AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or AWS_BEARER_TOKEN_BEDROCK";

pub(super) fn dialect(params: Params<'_>) -> Result<Spoken, Unusable> {
    let deployment = params.deployment;
    let mut builder = Bedrock::builder(deployment.model.as_str())
        .environment(params.environment())
        .http_client(params.client())
        .drop_params(params.drop_params())
        .allowed_params(params.allowed());
    type Set = fn(Builder, String) -> Builder;
    let settings: [(Option<String>, Set); 13] = [
        (deployment.api_base.clone(), Builder::api_base),
        (params.api_key(), Builder::api_key),
        (
            params.text("aws_bedrock_runtime_endpoint"),
            Builder::aws_bedrock_runtime_endpoint,
        ),
        (params.text("aws_region_name"), Builder::aws_region_name),
        (params.text("aws_access_key_id"), Builder::aws_access_key_id),
        (
            params.text("aws_secret_access_key"),
            Builder::aws_secret_access_key,
        ),
        (params.text("aws_session_token"), Builder::aws_session_token),
        (params.text("aws_role_name"), Builder::aws_role_name),
        (params.text("aws_session_name"), Builder::aws_session_name),
        (params.text("aws_external_id"), Builder::aws_external_id),
        (params.text("aws_profile_name"), Builder::aws_profile_name),
        (
            params.text("aws_web_identity_token"),
            Builder::aws_web_identity_token,
        ),
        (params.text("aws_sts_endpoint"), Builder::aws_sts_endpoint),
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
        .map_err(|error| Unusable::of(&error, false))?;
    if dialect.is_key_missing() {
        return Err(Unusable::Missing(NO_KEYS.to_owned()));
    }
    Ok(Spoken {
        api_base: dialect.api_base().to_owned(),
        keyless: false,
        dialect: with_messages(params, dialect)?,
    })
}

/// Lets Claude take messages in Anthropic's own form.
#[cfg(feature = "anthropic")]
fn with_messages(params: Params<'_>, bedrock: Bedrock) -> Result<Arc<dyn Dialect>, Unusable> {
    use ziggurat_anthropic::Anthropic;
    use ziggurat_bedrock::Claude;

    if !bedrock.takes_messages() {
        return Ok(Arc::new(bedrock));
    }
    // Headers are Bedrock's, and so is what depends on the model.
    let mut anthropic = Anthropic::builder(params.deployment.model.as_str()).api_key("not-used");
    for (name, value) in params.defaults()? {
        anthropic = anthropic.default_parameter(name, value);
    }
    let anthropic = anthropic
        .build()
        .map_err(|error| Unusable::of(&error, false))?;
    Ok(Arc::new(Claude::new(bedrock, anthropic)))
}

#[cfg(not(feature = "anthropic"))]
#[allow(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "with Anthropic's dialect it takes both and may fail"
)]
fn with_messages(_: Params<'_>, bedrock: Bedrock) -> Result<Arc<dyn Dialect>, Unusable> {
    Ok(Arc::new(bedrock))
}

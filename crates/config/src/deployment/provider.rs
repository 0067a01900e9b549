//! Parameters for the client of a provider: each provider reads its own, and nobody those of another.

use serde_json::Map;
use serde_yaml::Value;
use ziggurat_models::Provider;

use super::ProviderParams;
use crate::{
    keys::{self, Known},
    scalar,
    section::{Section, says_something},
};

/// Whoever serves a model reads this one.
const COMMON: &str = "allowed_openai_params";

/// What the client of a provider reads beside.
fn read_by(provider: Provider) -> &'static str {
    match provider {
        Provider::Azure => "azure_ad_token azure_scope client_id client_secret tenant_id",
        Provider::Bedrock => {
            "aws_access_key_id aws_bedrock_runtime_endpoint aws_external_id aws_profile_name
            aws_region_name aws_role_name aws_secret_access_key aws_session_name
            aws_session_token aws_sts_endpoint aws_web_identity_token"
        }
        Provider::VertexAi => "vertex_credentials vertex_location vertex_project",
        Provider::Watsonx | Provider::WatsonxText => {
            "project_id space_id token watsonx_project watsonx_region_name watsonx_space_id
            watsonx_token watsonx_zen_api_key zen_api_key"
        }
        _ => "",
    }
}

/// Reads the parameters, and reports those that the provider does not listen to.
pub(super) fn read(params: &mut Section<'_>, provider: Option<Provider>) -> ProviderParams {
    let mut found = Map::new();
    for name in keys::PROVIDER.active() {
        let value = match name {
            "allowed_openai_params" => params.read(name, scalar::texts).map(Into::into),
            "vertex_credentials" => document(params, name),
            _ => params.secret(name).map(|text| text.expose().into()),
        };
        found.extend(value.map(|value| (name.to_owned(), value)));
    }
    if let Some(provider) = provider {
        report_idle(params, provider);
    }
    ProviderParams(found)
}

/// A document of JSON: as text, or written out as a mapping.
fn document(params: &mut Section<'_>, name: &str) -> Option<serde_json::Value> {
    let given = params.read(name, |value| match value {
        Value::Mapping(_) => Ok(Some(value.clone())),
        other => Ok(scalar::text(other)?.map(Value::String)),
    })?;
    let path = params.path.key(name);
    match params.document.json(&path, &given) {
        Ok(value) => Some(value),
        Err(message) => {
            params.error(&path, message);
            None
        }
    }
}

fn report_idle(params: &mut Section<'_>, provider: Provider) {
    let is_in = |names: &str, key: &str| names.split_whitespace().any(|name| name == key);
    let own = read_by(provider);
    for (key, value) in params.entries() {
        let is_for_providers = !matches!(keys::PROVIDER.lookup(&key), Known::Not);
        let is_read = is_in(COMMON, &key) || is_in(own, &key);
        if !is_for_providers || is_read || !says_something(&key, value) {
            continue;
        }
        let path = params.path.key(&key);
        let near = keys::nearest(&key, own.split_whitespace());
        let near = near.or_else(|| keys::nearest(&key, keys::PROVIDER.active()));
        match near {
            _ if keys::PROVIDER.spells_out(&key) => {
                let message = format!("has no effect: `{}` does not read it", provider.as_str());
                params.warn(&path, message);
            }
            Some(near) => params.warn(&path, format!("has no effect; did you mean `{near}`?")),
            None => params.not_active(&path, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_known_is_what_somebody_reads() {
        let all = [
            Provider::Azure,
            Provider::Bedrock,
            Provider::VertexAi,
            Provider::Watsonx,
        ];
        let read = all
            .into_iter()
            .flat_map(|one| read_by(one).split_whitespace());
        let read: BTreeSet<_> = read.chain([COMMON]).collect();
        assert_eq!(read, keys::PROVIDER.active().collect());
    }
}

use std::sync::Arc;

use serde_json::Value;
use ziggurat_config::{Config, Deployment};
use ziggurat_provider::HttpClient;

use super::Unusable;

/// Finds environment variables.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What dialects need beside their deployments. Cheap to keep: nothing else of the configuration comes with it.
#[derive(Clone)]
pub(super) struct Shared {
    environment: Arc<Lookup>,
    drop_params: bool,
    /// For dialects that have to fetch something, such as tokens.
    client: HttpClient,
}

/// What a deployment says about itself, as builders of dialects take it.
#[derive(Clone, Copy)]
pub(super) struct Params<'a> {
    pub(super) shared: &'a Shared,
    pub(super) deployment: &'a Deployment,
}

impl Shared {
    pub(super) fn of(config: &Config, client: &HttpClient) -> Self {
        Self {
            environment: Arc::new(config.environment()),
            drop_params: config.settings.drop_params,
            client: client.clone(),
        }
    }
}

impl<'a> Params<'a> {
    pub(super) fn environment(self) -> impl Fn(&str) -> Option<String> + Send + Sync + 'static {
        let environment = Arc::clone(&self.shared.environment);
        move |name| environment(name)
    }

    pub(super) fn client(self) -> HttpClient {
        self.shared.client.clone()
    }

    pub(super) fn drop_params(self) -> bool {
        let own = self.deployment.drop_params;
        own.unwrap_or(self.shared.drop_params)
    }

    pub(super) fn api_key(self) -> Option<String> {
        let key = self.deployment.api_key.as_ref();
        key.map(|key| key.expose().to_owned())
    }

    /// A parameter that only one provider knows.
    pub(super) fn text(self, name: &str) -> Option<String> {
        let params = &self.deployment.provider_params;
        params.text(name).map(str::to_owned)
    }

    /// A parameter that is JSON: as text, or written out as a mapping.
    #[cfg(feature = "vertex")]
    pub(super) fn document(self, name: &str) -> Option<String> {
        match self.deployment.provider_params.get(name)? {
            Value::Object(members) => serde_json::to_string(members).ok(),
            _ => self.text(name),
        }
    }

    pub(super) fn headers(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let headers = self.deployment.extra_headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Members for the body of each request, as JSON.
    pub(super) fn defaults(self) -> Result<Vec<(&'a str, Vec<u8>)>, Unusable> {
        let defaults = self.deployment.defaults.iter().map(|(name, value)| {
            let value = serde_json::to_vec(value).map_err(|error| Unusable::of(error, false))?;
            Ok((name.as_str(), value))
        });
        defaults.collect()
    }

    /// Parameters that are sent whatever is known of the model.
    pub(super) fn allowed(self) -> impl Iterator<Item = &'a str> {
        let params = &self.deployment.provider_params;
        let allowed = params
            .get("allowed_openai_params")
            .and_then(Value::as_array);
        allowed.into_iter().flatten().filter_map(Value::as_str)
    }
}

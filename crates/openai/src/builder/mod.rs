mod auth;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use ziggurat_core::{Operation, json};
use ziggurat_provider::{
    HttpClient, host_header,
    params::Unsupported,
    settings::{self, Additions, filled, worth_hiding},
};

pub(crate) use self::auth::API_KEY;
use crate::{
    ConfigError, Face, OpenAi,
    limits::Limits,
    messages::Rewrites,
    reasoning::Series,
    router::{ROUTER, Routed},
    template::Template,
    url::{Base, Uris},
};

const OPENAI: &str = "https://api.openai.com/v1";

/// LiteLLM's default, so that a file written for it means the same here.
const AZURE_VERSION: &str = "2025-02-01-preview";

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// Describes a deployment; see [`OpenAi::builder`]. Empty texts count as not set.
#[must_use]
pub struct Builder {
    face: Face,
    model: String,
    base_model: Option<String>,
    api_base: Option<String>,
    api_key: Option<String>,
    api_version: Option<String>,
    azure_ad_token: Option<String>,
    tenant_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    scope: Option<String>,
    client: Option<HttpClient>,
    organization: Option<String>,
    additions: Additions,
    unsupported: Unsupported,
    completions_only: bool,
    environment: Lookup,
}

impl Builder {
    pub(crate) fn new(face: Face, model: impl Into<String>) -> Self {
        Self {
            face,
            model: model.into(),
            base_model: None,
            api_base: None,
            api_key: None,
            api_version: None,
            azure_ad_token: None,
            tenant_id: None,
            client_id: None,
            client_secret: None,
            scope: None,
            client: None,
            organization: None,
            additions: Additions::default(),
            unsupported: Unsupported::default(),
            completions_only: false,
            environment: Box::new(|_| None),
        }
    }

    /// Names the model that an Azure deployment runs, where its own name does not tell.
    pub fn base_model(mut self, model: impl Into<String>) -> Self {
        self.base_model = Some(model.into());
        self
    }

    /// Sets the base URL.
    pub fn api_base(mut self, url: impl Into<String>) -> Self {
        self.api_base = Some(url.into());
        self
    }

    /// Sets the key.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets Azure's `api-version`. Default: `AZURE_API_VERSION`, else `2025-02-01-preview`.
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = Some(version.into());
        self
    }

    /// Sets a Microsoft Entra token, used if there is no key.
    pub fn azure_ad_token(mut self, token: impl Into<String>) -> Self {
        self.azure_ad_token = Some(token.into());
        self
    }

    /// Sets the Microsoft Entra tenant of an application, for which tokens are fetched if there is neither a key nor a
    /// token. Default: `AZURE_TENANT_ID`. The authority is `AZURE_AUTHORITY_HOST`, else that of the public cloud.
    pub fn tenant_id(mut self, tenant: impl Into<String>) -> Self {
        self.tenant_id = Some(tenant.into());
        self
    }

    /// Sets the id of the application. Default: `AZURE_CLIENT_ID`.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// Sets the secret of the application. Default: `AZURE_CLIENT_SECRET`.
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// Sets what the application's tokens are for. Default: `AZURE_SCOPE`, else Azure's AI services.
    pub fn azure_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Fetches with this client what calls need beforehand: tokens, names of models. Default: one of its own.
    pub fn client(mut self, client: HttpClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Sets OpenAI's organization.
    pub fn organization(mut self, organization: impl Into<String>) -> Self {
        self.organization = Some(organization.into());
        self
    }

    /// Adds a header to each request; it takes the place of one of the dialect's own. Those of the connection and of the
    /// body's length and encoding are refused.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.additions.header(name, value);
        self
    }

    /// Adds a member to the body of each request that does not have it; `value` is JSON. `tools` are put before those of
    /// the request. Names of LiteLLM's own settings are ignored.
    pub fn default_parameter(mut self, name: impl Into<Box<str>>, value: impl Into<Bytes>) -> Self {
        self.additions.parameter(name, value);
        self
    }

    /// Leaves out parameters that the model does not take, instead of refusing the request.
    pub fn drop_params(mut self, drop: bool) -> Self {
        self.unsupported.drop = drop;
        self
    }

    /// Sends these parameters even if the model is thought not to take them.
    pub fn allowed_params(mut self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.unsupported
            .allowed
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Says that the model is one of the legacy endpoint, `/completions`, and has no other.
    pub fn completions_only(mut self, only: bool) -> Self {
        self.completions_only = only;
        self
    }

    /// Looks defaults of keys and URLs up in an environment. Without it there are none.
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        self.environment = Box::new(lookup);
        self
    }

    /// Makes the dialect.
    ///
    /// A missing key is no error here: each call then fails with 401 before anything is sent.
    ///
    /// # Errors
    ///
    /// The setting at fault.
    pub fn build(self) -> Result<OpenAi, ConfigError> {
        let set_base = self.base_url()?;
        let routed = match &set_base {
            None => Routed::of(&self.model),
            Some(_) => None,
        };
        let api_base = set_base.unwrap_or_else(|| self.router());
        let base = Base::parse(&api_base)?;
        let strict = base.host() == "api.openai.com";
        let model = self.upstream_model().to_owned();
        let mut endpoint = self.endpoint(base, &model)?;
        let mut names = None;
        if let Some(routed) = routed {
            endpoint.uris = routed.uris(&self.router())?;
            let hub = self.variable(&["HF_ENDPOINT"]);
            names = Some(routed.names(self.http_client(), hub.as_deref())?);
        }
        let mut secrets = Vec::new();
        let mut headers = self.headers(endpoint.bearer, &mut secrets)?;
        // All operations have one address.
        if let Some(host) = endpoint.uris.of(Operation::Chat).and_then(host_header) {
            headers.insert(HOST, host);
        }
        // Whoever sends them makes room for one before it looks whether there is a host: here once, else in each copy.
        headers.reserve(1);
        let needs_key = strict || self.face == Face::Azure;
        let has_key = headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY);
        let tokens = match has_key {
            true => None,
            false => self.application(&mut secrets)?,
        };
        let facts = self.base_model.as_deref().unwrap_or(&self.model);
        let template = Template {
            face: self.face,
            uris: endpoint.uris,
            completions_only: self.completions_only,
            headers,
            key_missing: needs_key && !has_key && tokens.is_none(),
            tokens,
            names,
            secrets: worth_hiding(secrets),
            model_json: json::string(&model),
            series: Series::of(facts),
            limits: match self.face {
                Face::Azure => Limits::of(endpoint.version.as_deref(), facts),
                Face::OpenAi | Face::HuggingFace => None,
            },
            rewrites: Rewrites::of(facts, strict),
            api_base: api_base.split(['?', '#']).next().unwrap_or_default().into(),
            model: model.into(),
            defaults: self.additions.parameters()?,
            unsupported: self.unsupported,
        };
        Ok(OpenAi::new(Arc::new(template)))
    }

    fn endpoint(&self, base: Base, model: &str) -> Result<Endpoint, ConfigError> {
        let bearer = |uris| Endpoint {
            uris,
            bearer: true,
            version: None,
        };
        match self.face {
            Face::OpenAi => Ok(bearer(base.compatible()?)),
            Face::HuggingFace => Ok(bearer(base.huggingface()?)),
            Face::Azure => {
                let version = self
                    .setting(&self.api_version, &["AZURE_API_VERSION"])
                    .unwrap_or_else(|| AZURE_VERSION.to_owned());
                let azure = base.azure(model, &version)?;
                Ok(Endpoint {
                    uris: azure.uris,
                    bearer: azure.v1,
                    version: (!azure.v1).then_some(version),
                })
            }
        }
    }

    /// `None` for Hugging Face's router.
    fn base_url(&self) -> Result<Option<String>, ConfigError> {
        let names = self.face.env_defaults("api_base");
        let base = self.setting(&self.api_base, names);
        match (base, self.face) {
            (Some(base), _) => Ok(Some(base)),
            (None, Face::OpenAi) => Ok(Some(OPENAI.to_owned())),
            (None, Face::HuggingFace) => Ok(None),
            (None, Face::Azure) => Err(ConfigError::missing("api_base", names)),
        }
    }

    fn router(&self) -> String {
        let router = self.variable(&["HF_ROUTER_BASE"]);
        router.unwrap_or_else(|| ROUTER.to_owned())
    }

    fn http_client(&self) -> HttpClient {
        self.client.clone().unwrap_or_default()
    }

    /// The model as the upstream knows it: prefixes that only select rules are cut.
    fn upstream_model(&self) -> &str {
        let model = &*self.model;
        if self.face != Face::Azure {
            return model;
        }
        let prefixes = ["o_series/", "gpt5_series/"];
        let bare = prefixes
            .iter()
            .find_map(|prefix| model.strip_prefix(prefix));
        bare.unwrap_or(model)
    }

    fn setting(&self, set: &Option<String>, names: &[&str]) -> Option<String> {
        filled(set.as_deref()).or_else(|| self.variable(names))
    }

    fn variable(&self, names: &[&str]) -> Option<String> {
        settings::variable(&self.environment, names)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("face", &self.face)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// Where calls go.
struct Endpoint {
    uris: Uris,
    /// Whether keys go there as bearer tokens.
    bearer: bool,
    /// Azure's, if it is dated.
    version: Option<String>,
}

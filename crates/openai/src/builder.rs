use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use ziggurat_core::json;
use ziggurat_provider::{
    is_of_transport,
    params::{Unsupported, is_reserved},
};

use crate::{
    ConfigError, Face, OpenAi, limits::Limits, messages::Rewrites, reasoning::Series,
    template::Template, url::Base,
};

const OPENAI: &str = "https://api.openai.com/v1";
/// Azure's header for keys.
const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// LiteLLM's default, so that a file written for it means the same here.
const AZURE_VERSION: &str = "2025-02-01-preview";
/// Shorter ones are placeholders (`none`, `x`), and would be found in ordinary words.
const SHORTEST_SECRET: usize = 8;

const AGENT: &str = concat!("ziggurat/", env!("CARGO_PKG_VERSION"));

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
    organization: Option<String>,
    headers: Vec<(String, String)>,
    defaults: Vec<(Box<str>, Bytes)>,
    unsupported: Unsupported,
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
            organization: None,
            headers: Vec::new(),
            defaults: Vec::new(),
            unsupported: Unsupported::default(),
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

    /// Sets OpenAI's organization.
    pub fn organization(mut self, organization: impl Into<String>) -> Self {
        self.organization = Some(organization.into());
        self
    }

    /// Adds a header to each request; it takes the place of one of the dialect's own. Those of the connection and of the
    /// body's length and encoding are refused.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a member to the body of each request that does not have it; `value` is JSON. `tools` are put before those of
    /// the request. Names of LiteLLM's own settings are ignored.
    pub fn default_parameter(mut self, name: impl Into<Box<str>>, value: impl Into<Bytes>) -> Self {
        self.defaults.push((name.into(), value.into()));
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
        let api_base = self.base_url()?;
        let base = Base::parse(&api_base)?;
        let strict = base.host() == "api.openai.com";
        let model = self.upstream_model().to_owned();
        let endpoint = self.endpoint(base, &model)?;
        let mut secrets = Vec::new();
        let headers = self.headers(endpoint.bearer, &mut secrets)?;
        let needs_key = strict || self.face == Face::Azure;
        let has_key = headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY);
        secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
        let facts = self.base_model.as_deref().unwrap_or(&self.model);
        let template = Template {
            face: self.face,
            uri: endpoint.uri,
            headers,
            key_missing: needs_key && !has_key,
            secrets: secrets.into_iter().map(Into::into).collect(),
            model_json: json::string(&model),
            series: Series::of(facts),
            limits: match self.face {
                Face::Azure => Limits::of(endpoint.version.as_deref(), facts),
                Face::OpenAi | Face::HuggingFace => None,
            },
            rewrites: Rewrites::of(facts, strict),
            api_base: api_base.split(['?', '#']).next().unwrap_or_default().into(),
            model: model.into(),
            defaults: self.defaults()?,
            unsupported: self.unsupported,
        };
        Ok(OpenAi::new(Arc::new(template)))
    }

    fn endpoint(&self, base: Base, model: &str) -> Result<Endpoint, ConfigError> {
        let bearer = |uri| Endpoint {
            uri,
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
                    uri: azure.uri,
                    bearer: azure.v1,
                    version: (!azure.v1).then_some(version),
                })
            }
        }
    }

    /// The headers of each request; keys in them are added to `secrets`.
    fn headers(&self, bearer: bool, secrets: &mut Vec<String>) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(Credential { text, is_token }) = self.credential()? {
            let (name, value) = match bearer || is_token {
                true => (AUTHORIZATION, format!("Bearer {text}")),
                false => (API_KEY, text.clone()),
            };
            headers.insert(name, secret("api_key", &value)?);
            secrets.push(text);
        }
        if self.face == Face::OpenAi
            && let Some(organization) = self.setting(&self.organization, &["OPENAI_ORGANIZATION"])
        {
            headers.insert("openai-organization", value("organization", &organization)?);
        }
        for (name, text) in &self.headers {
            let name = HeaderName::try_from(name)
                .map_err(|_| ConfigError::new("extra_headers", "not a header name"))?;
            if is_of_transport(&name) {
                let problem = format!("{name} cannot be set: it says how the request is sent");
                return Err(ConfigError::new("extra_headers", problem));
            }
            // Often a key as well.
            headers.insert(name, secret("extra_headers", text)?);
            secrets.push(text.strip_prefix("Bearer ").unwrap_or(text).to_owned());
        }
        Ok(headers)
    }

    fn base_url(&self) -> Result<String, ConfigError> {
        let names = self.face.env_defaults("api_base");
        let default = (self.face == Face::OpenAi).then_some(OPENAI);
        let base = self.setting(&self.api_base, names);
        base.or_else(|| default.map(str::to_owned)).ok_or_else(|| {
            let names = names.join(" or ");
            ConfigError::new("api_base", format!("missing; set it, or {names}"))
        })
    }

    /// What was set comes before the environment, a key before a token.
    fn credential(&self) -> Result<Option<Credential>, ConfigError> {
        let key = |text| Credential {
            text,
            is_token: false,
        };
        let token = |text| Credential {
            text,
            is_token: true,
        };
        let names = self.face.env_defaults("api_key");
        if self.face != Face::Azure {
            return Ok(self.setting(&self.api_key, names).map(key));
        }
        let set = filled(&self.api_key).map(key);
        let set = set.or_else(|| filled(&self.azure_ad_token).map(token));
        let credential = set
            .or_else(|| self.variable(names).map(key))
            .or_else(|| self.variable(&["AZURE_AD_TOKEN"]).map(token));
        match credential {
            // LiteLLM's way to name a token that is to be exchanged for the real one.
            Some(credential) if credential.is_token && credential.text.starts_with("oidc/") => {
                let problem = "oidc/… names no token; give the token itself";
                Err(ConfigError::new("azure_ad_token", problem))
            }
            credential => Ok(credential),
        }
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

    /// The defaults that are for the provider, `extra_body` taken apart.
    fn defaults(&self) -> Result<Vec<(Box<str>, Bytes)>, ConfigError> {
        let mut defaults: Vec<(Box<str>, Bytes)> = Vec::new();
        for (name, value) in &self.defaults {
            if &**name == "extra_body" {
                let body = json::Document::parse(value.clone())
                    .map_err(|_| ConfigError::new("extra_body", "not a mapping"))?;
                let members = body.members().map(|(name, value)| {
                    (
                        name.into_owned().into(),
                        Bytes::copy_from_slice(value.as_bytes()),
                    )
                });
                defaults.extend(members);
            } else if !is_reserved(name) {
                defaults.push((name.clone(), value.clone()));
            }
        }
        Ok(defaults)
    }

    fn setting(&self, set: &Option<String>, names: &[&str]) -> Option<String> {
        filled(set).or_else(|| self.variable(names))
    }

    fn variable(&self, names: &[&str]) -> Option<String> {
        names
            .iter()
            .find_map(|name| filled(&(self.environment)(name)))
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
    uri: Uri,
    /// Whether keys go there as bearer tokens.
    bearer: bool,
    /// Azure's, if it is dated.
    version: Option<String>,
}

struct Credential {
    text: String,
    is_token: bool,
}

fn filled(text: &Option<String>) -> Option<String> {
    let text = text.as_deref()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn value(setting: &'static str, text: &str) -> Result<HeaderValue, ConfigError> {
    HeaderValue::from_str(text).map_err(|_| ConfigError::new(setting, "not a header value"))
}

fn secret(setting: &'static str, text: &str) -> Result<HeaderValue, ConfigError> {
    let mut value = value(setting, text)?;
    value.set_sensitive(true);
    Ok(value)
}

use std::{fmt, sync::Arc};

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
    Anthropic, ConfigError,
    dialect::{BETA, VERSION},
    native::Own,
    request::is_openai,
    template::{Model, Template},
};

const ANTHROPIC: &str = "https://api.anthropic.com";
const MESSAGES: &str = "/v1/messages";

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// What a key begins with that is a token, and goes as one.
const TOKEN: &str = "sk-ant-oat";
/// Asks for tokens in place of keys.
const OAUTH: HeaderValue = HeaderValue::from_static("oauth-2025-04-20");

/// Shorter ones are placeholders (`none`, `x`), and would be found in ordinary words.
const SHORTEST_SECRET: usize = 8;

const AGENT: &str = concat!("ziggurat/", env!("CARGO_PKG_VERSION"));

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// Describes a deployment; see [`Anthropic::builder`]. Empty texts count as not set.
#[must_use]
pub struct Builder {
    model: String,
    api_base: Option<String>,
    api_key: Option<String>,
    headers: Vec<(String, String)>,
    defaults: Vec<(Box<str>, Bytes)>,
    unsupported: Unsupported,
    environment: Lookup,
}

impl Builder {
    pub(crate) fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            api_base: None,
            api_key: None,
            headers: Vec::new(),
            defaults: Vec::new(),
            unsupported: Unsupported::default(),
            environment: Box::new(|_| None),
        }
    }

    /// Sets the base URL. `/v1/messages` is added to its path unless it is there.
    pub fn api_base(mut self, url: impl Into<String>) -> Self {
        self.api_base = Some(url.into());
        self
    }

    /// Sets the key.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Adds a header to each request; it takes the place of one of the dialect's own. Those of the connection and of the
    /// body's length and encoding are refused. What `anthropic-beta` names is joined with what a request needs.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a member to each request that does not have it, as if the client had sent it; `value` is JSON. `tools` are
    /// put before those of the request. Names of LiteLLM's own settings are ignored.
    pub fn default_parameter(mut self, name: impl Into<Box<str>>, value: impl Into<Bytes>) -> Self {
        self.defaults.push((name.into(), value.into()));
        self
    }

    /// Leaves out parameters that Anthropic does not take, instead of refusing the request.
    pub fn drop_params(mut self, drop: bool) -> Self {
        self.unsupported.drop = drop;
        self
    }

    /// Sends these parameters even if Anthropic is thought not to take them.
    pub fn allowed_params(mut self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let allowed = names.into_iter().map(Into::into);
        self.unsupported.allowed.extend(allowed);
        self
    }

    /// Looks defaults of the key and the URL up in an environment. Without it there are none.
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
    pub fn build(self) -> Result<Anthropic, ConfigError> {
        let api_base = self.setting(&self.api_base, "api_base");
        let api_base = api_base.unwrap_or_else(|| ANTHROPIC.to_owned());
        let uri = endpoint(&api_base)?;
        let mut secrets = Vec::new();
        let mut headers = self.headers(&mut secrets)?;
        secrets.retain(|secret: &String| secret.len() >= SHORTEST_SECRET);
        let betas = headers.get_all(BETA).iter().cloned().collect();
        headers.remove(BETA);
        let has_key = headers.contains_key(API_KEY) || headers.contains_key(AUTHORIZATION);
        let defaults = self.defaults()?;
        let own = Own::new(&uri, &defaults, is_openai)?;
        let template = Template {
            own,
            uri,
            headers,
            betas,
            key_missing: !has_key,
            secrets: secrets.into_iter().map(Into::into).collect(),
            api_base: api_base.split(['?', '#']).next().unwrap_or_default().into(),
            model: Model::of(&self.model),
            defaults,
            unsupported: self.unsupported,
        };
        Ok(Anthropic::new(Arc::new(template)))
    }

    /// The headers of each request; keys in them are added to `secrets`.
    fn headers(&self, secrets: &mut Vec<String>) -> Result<HeaderMap, ConfigError> {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ACCEPT, JSON);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(key) = self.setting(&self.api_key, "api_key") {
            if key.starts_with(TOKEN) {
                headers.insert(AUTHORIZATION, secret("api_key", &format!("Bearer {key}"))?);
                headers.insert(BETA, OAUTH);
            } else {
                headers.insert(API_KEY, secret("api_key", &key)?);
            }
            secrets.push(key);
        }
        for (name, text) in &self.headers {
            let name = HeaderName::try_from(name)
                .map_err(|_| ConfigError::new("extra_headers", "not a header name"))?;
            if is_of_transport(&name) {
                let problem = format!("{name} cannot be set: it says how the request is sent");
                return Err(ConfigError::new("extra_headers", problem));
            }
            if name == BETA {
                let value = HeaderValue::from_str(text);
                let value =
                    value.map_err(|_| ConfigError::new("extra_headers", "not a header value"))?;
                headers.append(BETA, value);
                continue;
            }
            let is_secret = name != VERSION;
            // Often a key as well.
            headers.insert(name, secret("extra_headers", text)?);
            if is_secret {
                secrets.push(text.strip_prefix("Bearer ").unwrap_or(text).to_owned());
            }
        }
        Ok(headers)
    }

    /// The defaults that are for the provider, `extra_body` taken apart.
    fn defaults(&self) -> Result<Vec<(Box<str>, Bytes)>, ConfigError> {
        let mut defaults: Vec<(Box<str>, Bytes)> = Vec::new();
        for (name, value) in &self.defaults {
            if &**name == "extra_body" {
                let body = json::Document::parse(value.clone())
                    .map_err(|_| ConfigError::new("extra_body", "not a mapping"))?;
                let members = body.members().map(|(name, value)| {
                    let value = Bytes::copy_from_slice(value.as_bytes());
                    (name.into_owned().into(), value)
                });
                defaults.extend(members);
            } else if !is_reserved(name) {
                defaults.push((name.clone(), value.clone()));
            }
        }
        Ok(defaults)
    }

    fn setting(&self, set: &Option<String>, name: &str) -> Option<String> {
        let mut names = Anthropic::env_defaults(name).iter();
        filled(set).or_else(|| names.find_map(|name| filled(&(self.environment)(name))))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// The URL that is called; the query of a base stays.
fn endpoint(base: &str) -> Result<Uri, ConfigError> {
    let fault = |problem: &str| ConfigError::new("api_base", problem);
    let uri: Uri = base.trim().parse().map_err(|_| fault("not a URL"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(fault("not a URL with a scheme and a host"));
    };
    if !matches!(scheme, "http" | "https") {
        return Err(fault("not an http:// or https:// URL"));
    }
    if authority.as_str().contains('@') {
        return Err(fault(
            "a URL with a user or password; use api_key or extra_headers",
        ));
    }
    let path = uri.path().trim_end_matches('/');
    let path = path.strip_suffix(MESSAGES).unwrap_or(path);
    // Anthropic's own client has bases without the version, others with it.
    let path = path.strip_suffix("/v1").unwrap_or(path);
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let url = format!("{scheme}://{authority}{path}{MESSAGES}{query}");
    url.parse().map_err(|_| fault("not a URL"))
}

fn filled(text: &Option<String>) -> Option<String> {
    let text = text.as_deref()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn secret(setting: &'static str, text: &str) -> Result<HeaderValue, ConfigError> {
    let value = HeaderValue::from_str(text);
    let mut value = value.map_err(|_| ConfigError::new(setting, "not a header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

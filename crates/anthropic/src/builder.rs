use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::AUTHORIZATION};
use ziggurat_provider::{
    params::Unsupported,
    settings::{
        Additions, filled, json_headers, put_secret_header, secret_value, value, variable,
        worth_hiding,
    },
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

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// Describes a deployment; see [`Anthropic::builder`]. Empty texts count as not set.
#[must_use]
pub struct Builder {
    model: String,
    api_base: Option<String>,
    api_key: Option<String>,
    additions: Additions,
    unsupported: Unsupported,
    environment: Lookup,
}

impl Builder {
    pub(crate) fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            api_base: None,
            api_key: None,
            additions: Additions::default(),
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
        self.additions.header(name, value);
        self
    }

    /// Adds a member to each request that does not have it, as if the client had sent it; `value` is JSON. `tools` are
    /// put before those of the request. Names of LiteLLM's own settings are ignored.
    pub fn default_parameter(mut self, name: impl Into<Box<str>>, value: impl Into<Bytes>) -> Self {
        self.additions.parameter(name, value);
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
        let betas = headers.get_all(BETA).iter().cloned().collect();
        headers.remove(BETA);
        let has_key = headers.contains_key(API_KEY) || headers.contains_key(AUTHORIZATION);
        let defaults = self.additions.parameters()?;
        let own = Own::new(&uri, &defaults, is_openai)?;
        let template = Template {
            own,
            uri,
            headers,
            betas,
            key_missing: !has_key,
            secrets: worth_hiding(secrets),
            api_base: api_base.split(['?', '#']).next().unwrap_or_default().into(),
            model: Model::of(&self.model),
            defaults,
            unsupported: self.unsupported,
        };
        Ok(Anthropic::new(Arc::new(template)))
    }

    /// The headers of each request; keys in them are added to `secrets`.
    fn headers(&self, secrets: &mut Vec<String>) -> Result<HeaderMap, ConfigError> {
        let mut headers = json_headers("application/json");
        if let Some(key) = self.setting(&self.api_key, "api_key") {
            if key.starts_with(TOKEN) {
                headers.insert(
                    AUTHORIZATION,
                    secret_value("api_key", &format!("Bearer {key}"))?,
                );
                headers.insert(BETA, OAUTH);
            } else {
                headers.insert(API_KEY, secret_value("api_key", &key)?);
            }
            secrets.push(key);
        }
        for (name, text) in self.additions.headers()? {
            if name == BETA {
                headers.append(BETA, value("extra_headers", text)?);
            } else if name == VERSION {
                headers.insert(name, value("extra_headers", text)?);
            } else {
                put_secret_header(&mut headers, name, text, secrets)?;
            }
        }
        Ok(headers)
    }

    fn setting(&self, set: &Option<String>, name: &str) -> Option<String> {
        let names = Anthropic::env_defaults(name);
        filled(set.as_deref()).or_else(|| variable(&self.environment, names))
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

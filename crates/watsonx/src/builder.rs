use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Uri, header::AUTHORIZATION};
use ziggurat_core::json;
use ziggurat_provider::{
    HttpClient,
    params::Unsupported,
    settings::{self, Additions, filled, json_headers, secret_value, worth_hiding},
};

use crate::{
    ConfigError, Watsonx,
    template::{Route, Template},
    token,
    url::{self, Base},
};

/// LiteLLM's default, so that a file written for it means the same here.
const VERSION: &str = "2024-03-13";
/// IBM Cloud's token endpoint.
const IAM: &str = "https://iam.cloud.ibm.com/identity/token";
const BASE: &[&str] = &["WATSONX_API_BASE", "WATSONX_URL", "WX_URL", "WML_URL"];
const KEY: &[&str] = &["WX_API_KEY", "WATSONX_API_KEY", "WATSONX_APIKEY"];
const REGION: &[&str] = &["WATSONX_REGION", "WATSONX_REGION_NAME"];
const PROJECT: &[&str] = &["WATSONX_PROJECT_ID", "WX_PROJECT_ID", "PROJECT_ID"];
const SPACE: &[&str] = &[
    "WATSONX_DEPLOYMENT_SPACE_ID",
    "WATSONX_SPACE_ID",
    "WX_SPACE_ID",
    "SPACE_ID",
];

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// Describes a deployment; see [`Watsonx::builder`]. Empty texts count as not set.
#[must_use]
pub struct Builder {
    model: String,
    route: Route,
    client: Option<HttpClient>,
    api_base: Option<String>,
    region: Option<String>,
    api_key: Option<String>,
    token: Option<String>,
    zen_api_key: Option<String>,
    project_id: Option<String>,
    space_id: Option<String>,
    api_version: Option<String>,
    additions: Additions,
    unsupported: Unsupported,
    environment: Lookup,
}

impl Builder {
    pub(crate) fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            route: Route::Chat,
            client: None,
            api_base: None,
            region: None,
            api_key: None,
            token: None,
            zen_api_key: None,
            project_id: None,
            space_id: None,
            api_version: None,
            additions: Additions::default(),
            unsupported: Unsupported::default(),
            environment: Box::new(|_| None),
        }
    }

    /// Calls the older text generation with a prompt made of the messages. Default: chat.
    pub fn text_generation(mut self, text: bool) -> Self {
        self.route = if text { Route::Text } else { Route::Chat };
        self
    }

    /// Fetches tokens with this client. Default: one of its own.
    pub fn client(mut self, client: HttpClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Sets the base URL.
    pub fn api_base(mut self, url: impl Into<String>) -> Self {
        self.api_base = Some(url.into());
        self
    }

    /// Names a region of IBM Cloud, whose base URL is used if there is no other.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the API key, for which access tokens are fetched.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets an access token, used before any key. It is not renewed.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets the key of a platform of one's own, used before an API key.
    pub fn zen_api_key(mut self, key: impl Into<String>) -> Self {
        self.zen_api_key = Some(key.into());
        self
    }

    /// Sets the project that calls are made in.
    pub fn project_id(mut self, project: impl Into<String>) -> Self {
        self.project_id = Some(project.into());
        self
    }

    /// Sets the deployment space that calls are made in, if there is no project.
    pub fn space_id(mut self, space: impl Into<String>) -> Self {
        self.space_id = Some(space.into());
        self
    }

    /// Sets the `version` of the API, a date. Default: `WATSONX_API_VERSION`, else `2024-03-13`.
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = Some(version.into());
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

    /// Leaves out parameters that watsonx does not take, instead of refusing the request.
    pub fn drop_params(mut self, drop: bool) -> Self {
        self.unsupported.drop = drop;
        self
    }

    /// Sends these parameters even if watsonx is thought not to take them.
    pub fn allowed_params(mut self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.unsupported
            .allowed
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Looks defaults of keys, URLs and ids up in an environment. Without it there are none.
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        self.environment = Box::new(lookup);
        self
    }

    /// Returns the environment variables that stand in for a setting that is not given, the first that is set counts.
    #[must_use]
    pub fn env_defaults(setting: &str) -> &'static [&'static str] {
        match setting {
            "api_key" => KEY,
            "api_base" => BASE,
            _ => &[],
        }
    }

    /// Makes the dialect.
    ///
    /// # Errors
    ///
    /// The setting that is missing or at fault: the address, what to authenticate with, the project or space.
    pub fn build(self) -> Result<Watsonx, ConfigError> {
        let api_base = self.base_url()?;
        let base = Base::parse(&api_base)?;
        self.check_region(&base)?;
        let deployment = self.model.strip_prefix("deployment/");
        let version = self
            .setting(&self.api_version, &["WATSONX_API_VERSION"])
            .unwrap_or_else(|| VERSION.to_owned());
        let what = match self.route {
            Route::Chat => "chat",
            Route::Text => "generation",
        };
        let urls = base.urls(deployment, what, &version)?;
        let mut secrets = Vec::new();
        let mut headers = json_headers("application/json");
        let tokens = self.authenticate(&mut headers, &mut secrets)?;
        self.additions.put_headers(&mut headers, &mut secrets)?;
        let template = Template {
            route: self.route,
            urls,
            headers,
            tokens,
            secrets: worth_hiding(secrets),
            model_json: deployment.is_none().then(|| json::string(&self.model)),
            scope: match deployment {
                Some(_) => None,
                None => Some(self.scope()?),
            },
            api_base: api_base.split(['?', '#']).next().unwrap_or_default().into(),
            defaults: self.additions.parameters()?,
            model: self.model.into(),
            unsupported: self.unsupported,
        };
        Ok(Watsonx::new(Arc::new(template)))
    }

    fn base_url(&self) -> Result<String, ConfigError> {
        if let Some(base) = self.setting(&self.api_base, BASE) {
            return Ok(base);
        }
        match self.setting(&self.region, REGION) {
            Some(region) => url::of_region(&region),
            None => Err(ConfigError::missing("api_base", BASE)),
        }
    }

    /// A deployment that is said to be in one region must not call another.
    fn check_region(&self, base: &Base) -> Result<(), ConfigError> {
        match (filled(self.region.as_deref()), base.region()) {
            (Some(region), Some(host)) if region != host => {
                let problem = format!("{region}, but the address is in {host}");
                Err(ConfigError::new("watsonx_region_name", problem))
            }
            _ => Ok(()),
        }
    }

    /// Puts what authenticates calls into the headers, or says where to get it. What was set comes before the
    /// environment, a token before a key.
    fn authenticate(
        &self,
        headers: &mut HeaderMap,
        secrets: &mut Vec<String>,
    ) -> Result<Option<token::Tokens>, ConfigError> {
        let is_set = [&self.token, &self.zen_api_key, &self.api_key]
            .into_iter()
            .any(|set| filled(set.as_deref()).is_some());
        let setting = |set: &Option<String>, names: &[&str]| match is_set {
            true => filled(set.as_deref()),
            false => self.variable(names),
        };
        if let Some(token) = setting(&self.token, &["WATSONX_TOKEN"]) {
            headers.insert(
                AUTHORIZATION,
                secret_value("token", &format!("Bearer {token}"))?,
            );
            secrets.push(token);
            return Ok(None);
        }
        if let Some(key) = setting(&self.zen_api_key, &["WATSONX_ZENAPIKEY"]) {
            let value = secret_value("zen_api_key", &format!("ZenApiKey {key}"))?;
            headers.insert(AUTHORIZATION, value);
            secrets.push(key);
            return Ok(None);
        }
        let Some(key) = setting(&self.api_key, KEY) else {
            return Err(ConfigError::missing("api_key", KEY));
        };
        let url = self.variable(&["WATSONX_IAM_URL"]);
        let url: Uri = url.as_deref().unwrap_or(IAM).parse().map_err(|_| iam())?;
        if url.scheme().is_none() || url.authority().is_none() {
            return Err(iam());
        }
        let client = self.client.clone().unwrap_or_default();
        let tokens = token::tokens(client, url, &key);
        secrets.push(key);
        Ok(Some(tokens))
    }

    /// The member that says where calls are made. What was set comes before the environment, a project before a space.
    fn scope(&self) -> Result<(&'static str, Bytes), ConfigError> {
        let project = |id: String| ("project_id", json::string(&id));
        let space = |id: String| ("space_id", json::string(&id));
        filled(self.project_id.as_deref())
            .map(project)
            .or_else(|| filled(self.space_id.as_deref()).map(space))
            .or_else(|| self.variable(PROJECT).map(project))
            .or_else(|| self.variable(SPACE).map(space))
            .ok_or_else(|| ConfigError::missing("project_id", &["space_id", PROJECT[0], SPACE[0]]))
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
            .field("model", &self.model)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

fn iam() -> ConfigError {
    ConfigError::new("WATSONX_IAM_URL", "not a URL with a scheme and a host")
}

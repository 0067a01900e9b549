use std::{fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Uri, header::AUTHORIZATION};
use ziggurat_core::json;
use ziggurat_provider::{
    HttpClient,
    settings::{self, Additions, filled, json_headers, secret_value, worth_hiding},
};

use crate::{
    Bedrock, ConfigError,
    aws::{Clock, Lookup, Profiles, Reach, Settings},
    dialect::{Auth, Template},
    model::{Model, Route, default_region, endpoint, is_region},
    request::is_of_converse,
};

/// Describes a deployment; see [`Bedrock::builder`]. Empty texts count as not set.
#[must_use]
pub struct Builder {
    model: String,
    api_key: Option<String>,
    region: Option<String>,
    endpoint: Option<String>,
    api_base: Option<String>,
    sts_endpoint: Option<String>,
    credentials: Settings,
    additions: Additions,
    drop_params: bool,
    allowed: Vec<Box<str>>,
    environment: Lookup,
    client: Option<HttpClient>,
    clock: Clock,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident => $($field:ident).+;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, text: impl Into<String>) -> Self {
            self.$($field).+ = filled(Some(&text.into()));
            self
        }
    )*};
}

impl Builder {
    pub(crate) fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            api_key: None,
            region: None,
            endpoint: None,
            api_base: None,
            sts_endpoint: None,
            credentials: Settings::default(),
            additions: Additions::default(),
            drop_params: false,
            allowed: Vec::new(),
            environment: Arc::new(|_| None),
            client: None,
            clock: SystemTime::now,
        }
    }

    settings! {
        /// Sets a key of Bedrock's own, sent as a bearer token; nothing is signed then.
        api_key => api_key;
        /// Sets the address that is called, instead of the region's own.
        api_base => api_base;
        /// Sets the address that is called; comes before [`api_base`](Self::api_base).
        aws_bedrock_runtime_endpoint => endpoint;
        /// Sets the region. Default: the one in the model's name, `AWS_REGION_NAME`, `AWS_REGION`, the profile's, else
        /// `us-west-2`.
        aws_region_name => region;
        /// Sets the id of the key that signs.
        aws_access_key_id => credentials.access_key_id;
        /// Sets the key that signs.
        aws_secret_access_key => credentials.secret_access_key;
        /// Sets the token that belongs to a temporary key.
        aws_session_token => credentials.session_token;
        /// Sets the ARN of a role that is taken, with the other credentials or with a web identity.
        aws_role_name => credentials.role_name;
        /// Names the session of the role. Default: `ziggurat`.
        aws_session_name => credentials.session_name;
        /// Sets the external id that the role demands.
        aws_external_id => credentials.external_id;
        /// Names the profile in AWS's files.
        aws_profile_name => credentials.profile_name;
        /// Sets the token of a web identity: itself, the path of its file, or `oidc/file/…`, `oidc/env/…`,
        /// `oidc/env_path/…`.
        aws_web_identity_token => credentials.web_identity_token;
        /// Sets the address of the token service. Default: `AWS_ENDPOINT_URL_STS`, else the region's own.
        aws_sts_endpoint => sts_endpoint;
    }

    /// Adds a header to each request; it is not signed. Those of the connection and of the body's length and encoding are
    /// refused.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.additions.header(name, value);
        self
    }

    /// Adds a parameter to each request that does not have it; `value` is JSON. Names of LiteLLM's own settings are
    /// ignored.
    pub fn default_parameter(mut self, name: impl Into<Box<str>>, value: impl Into<Bytes>) -> Self {
        self.additions.parameter(name, value);
        self
    }

    /// Leaves out parameters that Bedrock does not take, instead of refusing the request.
    pub fn drop_params(mut self, drop: bool) -> Self {
        self.drop_params = drop;
        self
    }

    /// Sends these parameters to the model all the same.
    pub fn allowed_params(mut self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.allowed.extend(names.into_iter().map(Into::into));
        self
    }

    /// Looks settings up in an environment. Without it there are none, and no files are read.
    pub fn environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.environment = Arc::new(lookup);
        self
    }

    /// Fetches credentials with this client. Default: one of its own.
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Tells the time in signatures. Default: the system's clock.
    pub fn clock(mut self, now: fn() -> SystemTime) -> Self {
        self.clock = now;
        self
    }

    /// Makes the dialect.
    ///
    /// Missing credentials are no error here: each call then fails with 401 before anything is sent.
    ///
    /// # Errors
    ///
    /// The setting at fault.
    pub fn build(self) -> Result<Bedrock, ConfigError> {
        let model =
            Model::parse(&self.model).map_err(|problem| ConfigError::new("model", problem))?;
        let profiles = Profiles::read(&self.environment);
        let region = self.region_of(&model, &profiles);
        if !is_region(&region) {
            return Err(ConfigError::new("aws_region_name", "not a region"));
        }
        let set = self.endpoint.clone().or_else(|| self.api_base.clone());
        let base = set
            .or_else(|| self.variable("AWS_BEDROCK_RUNTIME_ENDPOINT"))
            .unwrap_or_else(|| endpoint(&region));
        let base = base.trim_end_matches('/').to_owned();
        let uris = |route| {
            let uri = |stream| uri(&base, &model.path(route, stream));
            Ok([uri(false)?, uri(true)?])
        };
        let defaults = self.additions.parameters()?;
        let converses = defaults.iter().any(|(name, _)| is_of_converse(name));
        let is_own = model.takes_messages() && !converses;
        let invoke_uris = is_own.then(|| uris(Route::Invoke)).transpose()?;
        let uris = uris(model.route)?;
        let mut secrets = self.secrets();
        let (auth, is_missing) = self.auth(&region, &profiles)?;
        if let Auth::Bearer(key) = &auth {
            secrets.push(key.to_string());
        }
        let headers = self.headers(&auth, &mut secrets)?;
        let template = Template {
            name: json::string(&model.id),
            model,
            region: region.into(),
            api_base: base.into(),
            uris,
            invoke_uris,
            headers,
            auth,
            is_missing,
            defaults,
            drop_params: self.drop_params,
            allowed: self.allowed,
            secrets: worth_hiding(secrets),
            clock: self.clock,
        };
        Ok(Bedrock::new(Arc::new(template)))
    }

    fn region_of(&self, model: &Model, profiles: &Profiles) -> String {
        let named = model.region.as_deref().map(str::to_owned);
        let set = self.region.clone().or(named);
        let set = set.or_else(|| self.variable("AWS_REGION_NAME"));
        let set = set.or_else(|| self.variable("AWS_REGION"));
        let of_profile = || {
            let name = self.credentials.profile_name.clone();
            let name = name.or_else(|| self.variable("AWS_PROFILE"));
            profiles.region(name.as_deref().unwrap_or("default"))
        };
        set.or_else(of_profile).unwrap_or_else(default_region)
    }

    /// How requests are authorized, and whether it is known already that they cannot be.
    fn auth(&self, region: &str, profiles: &Profiles) -> Result<(Auth, bool), ConfigError> {
        let bearer = |key: String| (Auth::Bearer(key.into()), false);
        if let Some(key) = &self.api_key {
            return Ok(bearer(key.clone()));
        }
        let set = &self.credentials;
        let says_nothing = set.access_key_id.is_none()
            && set.profile_name.is_none()
            && set.role_name.is_none()
            && set.web_identity_token.is_none();
        if says_nothing && let Some(key) = self.variable("AWS_BEARER_TOKEN_BEDROCK") {
            return Ok(bearer(key));
        }
        let sts = self.sts_endpoint.clone();
        let reach = Reach {
            client: self.client.clone().unwrap_or_default(),
            environment: self.environment.clone(),
            region: region.into(),
            sts: sts
                .or_else(|| self.variable("AWS_ENDPOINT_URL_STS"))
                .map(Into::into),
            clock: self.clock,
        };
        let chosen = set.choose(reach, profiles)?;
        Ok((Auth::Signed(chosen.source), chosen.is_missing))
    }

    fn headers(&self, auth: &Auth, secrets: &mut Vec<String>) -> Result<HeaderMap, ConfigError> {
        let mut headers = json_headers("*/*");
        if let Auth::Bearer(key) = auth {
            headers.insert(
                AUTHORIZATION,
                secret_value("api_key", &format!("Bearer {key}"))?,
            );
        }
        self.additions.put_headers(&mut headers, secrets)?;
        Ok(headers)
    }

    fn secrets(&self) -> Vec<String> {
        let set = &self.credentials;
        let set = [
            &set.secret_access_key,
            &set.session_token,
            &set.web_identity_token,
        ];
        let set = set.into_iter().flatten().cloned();
        let names = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
        let variables = names.iter().filter_map(|name| self.variable(name));
        set.chain(variables).collect()
    }

    fn variable(&self, name: &str) -> Option<String> {
        settings::variable(&*self.environment, &[name])
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// Puts the path behind that of the base.
fn uri(base: &str, path: &str) -> Result<Uri, ConfigError> {
    let invalid = |problem: &str| ConfigError::new("api_base", problem);
    if base.contains(['?', '#']) {
        return Err(invalid("an address with a query cannot be signed"));
    }
    let uri: Uri = format!("{base}{path}")
        .parse()
        .map_err(|_| invalid("not a URL"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => Ok(uri),
        _ => Err(invalid("not an http or https URL")),
    }
}

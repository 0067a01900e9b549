use bytes::Bytes;
use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use ziggurat_provider::{
    HttpClient,
    credentials::Cached,
    params::Unsupported,
    settings::{Additions, filled, json_headers, secret_value, value, variable, worth_hiding},
};

use crate::{
    ConfigError, Face, Vertex,
    auth::{self, Credentials, Source, Token},
    model::Model,
    template::Template,
    url::{self, Address},
};

const STUDIO: &str = "https://generativelanguage.googleapis.com";
/// LiteLLM's default, so that a file written for it means the same here.
const LOCATION: &str = "us-central1";

const GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const GOOG_USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// Models of others on Vertex AI, whose formats this dialect does not speak.
const PARTNERS: [&str; 6] = [
    "claude",
    "mistral",
    "codestral",
    "jamba",
    "llama",
    "deepseek",
];

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// Describes a deployment; see [`Vertex::builder`]. Empty texts count as not set.
#[must_use]
pub struct Builder {
    face: Face,
    model: String,
    pub(crate) place: Place,
    api_key: Option<String>,
    additions: Additions,
    unsupported: Unsupported,
}

/// Where a deployment is, and who may call it.
pub(crate) struct Place {
    pub(crate) api_base: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) credentials: Option<String>,
    pub(crate) environment: Lookup,
    pub(crate) client: HttpClient,
}

/// A place that was found.
pub(crate) struct Found {
    pub(crate) project: Option<String>,
    pub(crate) location: String,
    pub(crate) api_base: String,
    pub(crate) quota_project: Option<String>,
    pub(crate) tokens: Option<Cached<Token>>,
}

impl Builder {
    pub(crate) fn new(face: Face, model: impl Into<String>) -> Self {
        Self {
            face,
            model: model.into(),
            place: Place::default(),
            api_key: None,
            additions: Additions::default(),
            unsupported: Unsupported::default(),
        }
    }

    /// Sets the base URL. Without a path, or with one that ends in the API's version, the rest of the usual path is added;
    /// any other is called as it is, with `:generateContent` at its end.
    pub fn api_base(mut self, url: impl Into<String>) -> Self {
        self.place.api_base = Some(url.into());
        self
    }

    /// Sets the key of Google AI Studio.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets the project. Default: `VERTEXAI_PROJECT`, else that of the credentials.
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.place.project = Some(project.into());
        self
    }

    /// Sets the location. Default: `VERTEXAI_LOCATION`, `VERTEX_LOCATION`, else `us-central1`.
    pub fn location(mut self, location: impl Into<String>) -> Self {
        self.place.location = Some(location.into());
        self
    }

    /// Sets the credentials: JSON as Google's tools write it, or the path of a file with it. Default: `VERTEXAI_CREDENTIALS`,
    /// else what Google's own libraries would find.
    pub fn credentials(mut self, credentials: impl Into<String>) -> Self {
        self.place.credentials = Some(credentials.into());
        self
    }

    /// Sets the client that fetches tokens. Default: one of its own.
    pub fn client(mut self, client: HttpClient) -> Self {
        self.place.client = client;
        self
    }

    /// Adds a header to each request; it takes the place of one of the dialect's own. With `authorization` no credentials
    /// are looked for. Those of the connection and of the body's length and encoding are refused.
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

    /// Takes these parameters even if the model is thought not to take them.
    pub fn allowed_params(mut self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.unsupported
            .allowed
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Looks defaults up in an environment. Without it there are none.
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        self.place.environment = Box::new(lookup);
        self
    }

    /// Makes the dialect. Files of credentials are read here, tokens are fetched when they are needed.
    ///
    /// A missing key of AI Studio is no error here: each call then fails with 401 before anything is sent.
    ///
    /// # Errors
    ///
    /// The setting at fault.
    pub fn build(self) -> Result<Vertex, ConfigError> {
        let name = self.name()?;
        let mut secrets = Vec::new();
        let mut headers = self.headers(&mut secrets)?;
        let found = match self.face {
            Face::VertexAi => self.place.find(headers.contains_key(AUTHORIZATION))?,
            Face::Gemini => self.place.studio(),
        };
        if let Some(project) = &found.quota_project {
            headers.insert(GOOG_USER_PROJECT, value("vertex_credentials", project)?);
        }
        let address = Address {
            face: self.face,
            api_base: &found.api_base,
            project: found.project.as_deref(),
            location: &found.location,
            publisher: "google",
            model: &name,
        };
        let endpoint = address.endpoint("generateContent", "streamGenerateContent?alt=sse")?;
        let has_key = headers.contains_key(GOOG_API_KEY) || headers.contains_key(AUTHORIZATION);
        let is_own_base = filled(self.place.api_base.as_deref()).is_some();
        let shown = found.api_base.split(['?', '#']).next().unwrap_or_default();
        Ok(Vertex::new(Template {
            face: self.face,
            endpoint,
            headers,
            key_missing: self.face == Face::Gemini && !has_key && !is_own_base,
            secrets: worth_hiding(secrets),
            tokens: found.tokens,
            api_base: shown.into(),
            model: Model::of(&name),
            name: name.into(),
            defaults: self.additions.parameters()?,
            unsupported: self.unsupported,
        }))
    }

    /// The model as Google knows it.
    fn name(&self) -> Result<String, ConfigError> {
        let problem = |text: &str| Err(ConfigError::new("model", text));
        let name = self.model.trim();
        let bare = ["gemini/", "endpoints/", "models/"];
        let bare = bare.iter().find_map(|prefix| name.strip_prefix(prefix));
        let name = bare.unwrap_or(name);
        if name.is_empty() {
            return problem("missing");
        }
        let partner = |partner: &&str| name.starts_with(*partner);
        if name.contains('/') || PARTNERS.iter().any(partner) {
            return problem("not a model of Google's; those of others speak other formats");
        }
        Ok(name.to_owned())
    }

    /// The headers of each request; keys in them are added to `secrets`.
    fn headers(&self, secrets: &mut Vec<String>) -> Result<HeaderMap, ConfigError> {
        let mut headers = json_headers("*/*");
        if self.face == Face::Gemini {
            let names = self.face.env_defaults("api_key");
            if let Some(key) = self.place.setting(&self.api_key, names) {
                headers.insert(GOOG_API_KEY, secret_value("api_key", &key)?);
                secrets.push(key);
            }
        }
        self.additions.put_headers(&mut headers, secrets)?;
        Ok(headers)
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

// === impl Place ===

impl Place {
    /// Finds a place on Vertex AI.
    pub(crate) fn find(&self, has_token: bool) -> Result<Found, ConfigError> {
        let names = |setting| Face::VertexAi.env_defaults(setting);
        let location = self.setting(&self.location, names("vertex_location"));
        let location = location.unwrap_or_else(|| LOCATION.to_owned());
        if !url::is_location(&location) {
            return Err(ConfigError::new("vertex_location", "not a location"));
        }
        let credentials = match has_token {
            true => None,
            false => {
                let given = filled(self.credentials.as_deref());
                Some(auth::find(given.as_deref(), &self.environment)?)
            }
        };
        let own = |credentials: &Credentials| {
            let project = credentials.project.clone();
            project.or_else(|| credentials.quota_project.clone())
        };
        let project = self.setting(&self.project, names("vertex_project"));
        let project = project.or_else(|| credentials.as_ref().and_then(own));
        if project
            .as_deref()
            .is_some_and(|project| !url::is_project(project))
        {
            return Err(ConfigError::new("vertex_project", "not a project"));
        }
        let api_base = self.setting(&self.api_base, names("api_base"));
        let api_base = api_base.unwrap_or_else(|| url::origin(&location));
        let (mut tokens, mut quota_project) = (None, None);
        let mut knows_project = project.is_some();
        if let Some(mut credentials) = credentials {
            if let Source::Metadata(metadata) = &mut credentials.source {
                if !knows_project {
                    metadata.wants_project = true;
                    credentials.key.push_str("\nproject");
                }
                knows_project = true;
            }
            quota_project = credentials.quota_project;
            let Credentials { source, key, .. } = credentials;
            tokens = Some(auth::cached(source, &key, &self.client));
        }
        if !knows_project {
            return Err(ConfigError::missing(
                "vertex_project",
                &["VERTEXAI_PROJECT"],
            ));
        }
        Ok(Found {
            project,
            location,
            api_base,
            quota_project,
            tokens,
        })
    }

    /// Finds a place at AI Studio.
    fn studio(&self) -> Found {
        let names = Face::Gemini.env_defaults("api_base");
        let api_base = self.setting(&self.api_base, names);
        Found {
            project: None,
            location: String::new(),
            api_base: api_base.unwrap_or_else(|| STUDIO.to_owned()),
            quota_project: None,
            tokens: None,
        }
    }

    fn setting(&self, set: &Option<String>, names: &[&str]) -> Option<String> {
        filled(set.as_deref()).or_else(|| variable(&self.environment, names))
    }
}

impl Default for Place {
    fn default() -> Self {
        Self {
            api_base: None,
            project: None,
            location: None,
            credentials: None,
            environment: Box::new(|_| None),
            client: HttpClient::new(),
        }
    }
}

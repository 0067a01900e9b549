//! The URLs that a deployment is called at.

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ziggurat_core::Operation;

use crate::ConfigError;

/// What a path segment may hold as it is.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The endpoints that a base may lead to already. No path is the end of an earlier one's.
const ENDPOINTS: [Operation; 4] = [
    Operation::Chat,
    Operation::Completions,
    Operation::Embeddings,
    Operation::Responses,
];

/// First month of which Azure's dated versions have responses.
const RESPONSES: &str = "2025-03";

/// The URLs of a deployment's endpoints.
pub(crate) struct Uris {
    chat: Uri,
    completions: Uri,
    embeddings: Uri,
    responses: Option<Uri>,
}

/// A base URL, taken apart.
pub(crate) struct Base {
    origin: String,
    host: String,
    /// Without a slash at its end.
    path: String,
    query: Vec<(String, String)>,
}

/// How Azure is addressed.
pub(crate) struct Azure {
    pub(crate) uris: Uris,
    /// Whether it is the surface without dated versions, where keys go as bearer tokens.
    pub(crate) v1: bool,
}

// === impl Uris ===

impl Uris {
    /// Returns the URL of an operation's endpoint; `None` if there is none.
    pub(crate) fn of(&self, operation: Operation) -> Option<&Uri> {
        match operation {
            Operation::Chat => Some(&self.chat),
            Operation::Completions => Some(&self.completions),
            Operation::Embeddings => Some(&self.embeddings),
            Operation::Responses => self.responses.as_ref(),
            _ => None,
        }
    }

    /// The same without an endpoint for responses.
    pub(crate) fn without_responses(self) -> Self {
        Self {
            responses: None,
            ..self
        }
    }
}

// === impl Base ===

impl Base {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let fault = |problem: &str| ConfigError::new("api_base", problem);
        let uri: Uri = text.trim().parse().map_err(|_| fault("not a URL"))?;
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
        let pairs = uri.query().unwrap_or_default().split('&');
        let pairs = pairs.filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        });
        Ok(Self {
            origin: format!("{scheme}://{authority}"),
            host: authority.host().to_ascii_lowercase(),
            path: uri.path().trim_end_matches('/').to_owned(),
            query: query.collect(),
        })
    }

    /// Returns the host, in lower case.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The URLs of an OpenAI-compatible server. Nothing but the endpoint is added, in place of one that is there already.
    pub(crate) fn compatible(mut self) -> Result<Uris, ConfigError> {
        self.cut_endpoint();
        self.uris()
    }

    /// The URLs of a text-generation-inference server, whose base is known with and without `/v1`.
    pub(crate) fn huggingface(mut self) -> Result<Uris, ConfigError> {
        if !self.cut_endpoint() && !self.path.ends_with("/v1") {
            self.path.push_str("/v1");
        }
        Ok(self.uris()?.without_responses())
    }

    /// The URLs of an Azure deployment; `version` is a date, or one of the names of the surface without dates.
    pub(crate) fn azure(mut self, deployment: &str, version: &str) -> Result<Azure, ConfigError> {
        self.cut_endpoint();
        let dateless = matches!(version, "v1" | "preview" | "latest");
        if let Some(at) = segments(&self.path, "/openai/v1") {
            self.path.truncate(at);
            return self.azure_v1();
        }
        if dateless {
            return self.azure_v1();
        }
        self.query.retain(|(name, _)| name != "api-version");
        let encoded = utf8_percent_encode(version, SEGMENT).to_string();
        self.query.push(("api-version".to_owned(), encoded));
        let responses = self.azure_responses(version)?;
        if self.host == "gateway.ai.cloudflare.com" {
            self.path.push('/');
            self.path.extend(utf8_percent_encode(deployment, SEGMENT));
        } else if segments(&self.path, "/openai/deployments").is_none() {
            self.path.push_str("/openai/deployments/");
            self.path.extend(utf8_percent_encode(deployment, SEGMENT));
        }
        let uris = Uris {
            responses,
            ..self.uris()?
        };
        Ok(Azure { uris, v1: false })
    }

    /// The URL of responses beside a dated version's deployments, which are named in the body there; `None` if the version
    /// is older.
    fn azure_responses(&self, version: &str) -> Result<Option<Uri>, ConfigError> {
        if version < RESPONSES || self.host == "gateway.ai.cloudflare.com" {
            return Ok(None);
        }
        let end = segments(&self.path, "/openai/deployments").unwrap_or(self.path.len());
        let base = Self {
            origin: self.origin.clone(),
            host: self.host.clone(),
            path: format!("{}/openai", &self.path[..end]),
            query: self.query.clone(),
        };
        base.uri(Operation::Responses).map(Some)
    }

    fn azure_v1(mut self) -> Result<Azure, ConfigError> {
        self.path.push_str("/openai/v1");
        self.query.retain(|(name, _)| name != "api-version");
        let uris = self.uris()?;
        Ok(Azure { uris, v1: true })
    }

    /// Cuts an endpoint that the base already leads to; says whether there was one.
    fn cut_endpoint(&mut self) -> bool {
        let mut ends = ENDPOINTS.iter().map(|operation| operation.path());
        let Some(base) = ends.find_map(|end| self.path.strip_suffix(end)) else {
            return false;
        };
        self.path.truncate(base.len());
        true
    }

    fn uris(&self) -> Result<Uris, ConfigError> {
        Ok(Uris {
            chat: self.uri(Operation::Chat)?,
            completions: self.uri(Operation::Completions)?,
            embeddings: self.uri(Operation::Embeddings)?,
            responses: Some(self.uri(Operation::Responses)?),
        })
    }

    fn uri(&self, operation: Operation) -> Result<Uri, ConfigError> {
        let mut text = [&self.origin, &self.path, operation.path()].concat();
        let mut mark = '?';
        for (name, value) in &self.query {
            text.push(mark);
            text.push_str(name);
            text.push('=');
            text.push_str(value);
            mark = '&';
        }
        text.parse()
            .map_err(|_| ConfigError::new("api_base", "not a URL"))
    }
}

/// Finds whole segments in a path.
fn segments(path: &str, wanted: &str) -> Option<usize> {
    let at = path.find(wanted)?;
    let rest = &path[at + wanted.len()..];
    (rest.is_empty() || rest.starts_with('/')).then_some(at)
}

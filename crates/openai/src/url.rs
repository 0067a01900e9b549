//! The URL that a deployment is called at.

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ConfigError;

const COMPLETIONS: &str = "/chat/completions";

/// What a path segment may hold as it is.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

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
    pub(crate) uri: Uri,
    /// Whether it is the surface without dated versions, where keys go as bearer tokens.
    pub(crate) v1: bool,
}

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

    /// The URL of an OpenAI-compatible server. Nothing but the last two segments is added.
    pub(crate) fn compatible(mut self) -> Result<Uri, ConfigError> {
        self.append_completions();
        self.uri()
    }

    /// The URL of a text-generation-inference server, whose base is known with and without `/v1`.
    pub(crate) fn huggingface(mut self) -> Result<Uri, ConfigError> {
        if !self.path.ends_with(COMPLETIONS) && !self.path.ends_with("/v1") {
            self.path.push_str("/v1");
        }
        self.compatible()
    }

    /// The URL of an Azure deployment; `version` is a date, or one of the names of the surface without dates.
    pub(crate) fn azure(mut self, deployment: &str, version: &str) -> Result<Azure, ConfigError> {
        let dateless = matches!(version, "v1" | "preview" | "latest");
        if let Some(at) = segments(&self.path, "/openai/v1") {
            self.path.truncate(at);
            return self.azure_v1();
        }
        if dateless {
            return self.azure_v1();
        }
        if self.host == "gateway.ai.cloudflare.com" {
            self.path.push('/');
            self.path.extend(utf8_percent_encode(deployment, SEGMENT));
        } else if segments(&self.path, "/openai/deployments").is_none() {
            self.path.push_str("/openai/deployments/");
            self.path.extend(utf8_percent_encode(deployment, SEGMENT));
        }
        self.append_completions();
        self.query.retain(|(name, _)| name != "api-version");
        let version = utf8_percent_encode(version, SEGMENT).to_string();
        self.query.push(("api-version".to_owned(), version));
        let uri = self.uri()?;
        Ok(Azure { uri, v1: false })
    }

    fn azure_v1(mut self) -> Result<Azure, ConfigError> {
        self.path.push_str("/openai/v1");
        self.append_completions();
        self.query.retain(|(name, _)| name != "api-version");
        let uri = self.uri()?;
        Ok(Azure { uri, v1: true })
    }

    fn append_completions(&mut self) {
        if !self.path.ends_with(COMPLETIONS) {
            self.path.push_str(COMPLETIONS);
        }
    }

    fn uri(self) -> Result<Uri, ConfigError> {
        let mut text = self.origin + &self.path;
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

//! The URLs that a deployment is called at.

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ConfigError;

/// What a path segment or the value of a query may hold as it is.
pub(crate) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The host of a region of IBM Cloud is its name and this.
const CLOUD: &str = ".ml.cloud.ibm.com";

/// A base URL, taken apart.
pub(crate) struct Base {
    origin: String,
    host: String,
    /// Without a slash at its end.
    path: String,
    query: String,
}

/// Where plain calls and streams go.
pub(crate) struct Urls {
    pub(crate) plain: Uri,
    pub(crate) stream: Uri,
}

/// Returns the base URL of a region of IBM Cloud.
pub(crate) fn of_region(region: &str) -> Result<String, ConfigError> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !region.bytes().all(is_name) {
        let problem = "not the name of a region, such as eu-de";
        return Err(ConfigError::new("watsonx_region_name", problem));
    }
    Ok(format!("https://{region}{CLOUD}"))
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
        let path = uri.path().trim_end_matches('/');
        Ok(Self {
            origin: format!("{scheme}://{authority}"),
            host: authority.host().to_ascii_lowercase(),
            path: path.strip_suffix("/ml/v1").unwrap_or(path).to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
        })
    }

    /// Returns the region that the host names, if it is one of IBM Cloud's.
    pub(crate) fn region(&self) -> Option<&str> {
        self.host.strip_suffix(CLOUD)
    }

    /// The URLs of a model, or of the deployment of one, for `chat` or `generation`.
    pub(crate) fn urls(
        &self,
        deployment: Option<&str>,
        what: &str,
        version: &str,
    ) -> Result<Urls, ConfigError> {
        let deployment = deployment.map_or_else(String::new, |id| {
            format!("/deployments/{}", utf8_percent_encode(id, PLAIN))
        });
        let url = |suffix: &str| {
            let pairs = self.query.split('&');
            let kept = pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("version="));
            let version = format!("version={}", utf8_percent_encode(version, PLAIN));
            let query = kept.chain([&*version]).collect::<Vec<_>>().join("&");
            let Self { origin, path, .. } = self;
            let url = format!("{origin}{path}/ml/v1{deployment}/text/{what}{suffix}?{query}");
            url.parse()
                .map_err(|_| ConfigError::new("api_base", "not a URL"))
        };
        Ok(Urls {
            plain: url("")?,
            stream: url("_stream")?,
        })
    }
}

//! Where calls go.

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{ConfigError, Face};

/// Stands where the project of the machine will, once it is known. No project is called so.
const UNKNOWN_PROJECT: &str = "/projects/-/";

/// What a model's name keeps in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@');

/// The two addresses of a deployment.
pub(crate) struct Endpoint {
    pub(crate) plain: Uri,
    pub(crate) stream: Uri,
}

/// What an address is made of.
pub(crate) struct Address<'a> {
    pub(crate) face: Face,
    pub(crate) api_base: &'a str,
    pub(crate) project: Option<&'a str>,
    pub(crate) location: &'a str,
    pub(crate) publisher: &'a str,
    pub(crate) model: &'a str,
}

/// The origin that serves a location: its own, the world's, or that of a part of it (`eu`, `us`).
pub(crate) fn origin(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        place if !place.contains('-') => format!("https://aiplatform.{place}.rep.googleapis.com"),
        place => format!("https://{place}-aiplatform.googleapis.com"),
    }
}

/// Says whether a text can be the id of a project.
pub(crate) fn is_project(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    !text.is_empty() && text != "-" && text.chars().all(is_part)
}

/// Says whether a text can be a location.
pub(crate) fn is_location(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(is_part)
}

/// Puts the project into an address that was made without it.
pub(crate) fn with_project(uri: &Uri, project: &str) -> Option<Uri> {
    let text = uri.to_string();
    let known = text.replacen(UNKNOWN_PROJECT, &format!("/projects/{project}/"), 1);
    known.parse().ok()
}

/// Says whether an address lacks its project.
pub(crate) fn lacks_project(uri: &Uri) -> bool {
    uri.path().contains(UNKNOWN_PROJECT)
}

// === impl Address ===

impl Address<'_> {
    /// Makes the addresses for two verbs: of plain answers, and of streams, which may have a query.
    pub(crate) fn endpoint(&self, plain: &str, stream: &str) -> Result<Endpoint, ConfigError> {
        Ok(Endpoint {
            plain: self.uri(plain)?,
            stream: self.uri(stream)?,
        })
    }

    fn uri(&self, verb: &str) -> Result<Uri, ConfigError> {
        let invalid = || ConfigError::new("api_base", "not an http or https URL");
        let base: Uri = self.api_base.parse().map_err(|_| invalid())?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) =
            (base.scheme_str(), base.authority())
        else {
            return Err(invalid());
        };
        let path = base.path().trim_end_matches('/');
        let path = match path.rsplit('/').next().unwrap_or_default() {
            "" => format!("/{}{}", self.version(), self.resource()),
            "v1" | "v1beta" | "v1beta1" => format!("{path}{}", self.resource()),
            _ => path.to_owned(),
        };
        let (verb, own_query) = verb.split_once('?').unwrap_or((verb, ""));
        let queries = [own_query, base.query().unwrap_or_default()];
        let queries: Vec<_> = queries
            .into_iter()
            .filter(|query| !query.is_empty())
            .collect();
        let mut uri = format!("{scheme}://{authority}{path}:{verb}");
        if !queries.is_empty() {
            uri = format!("{uri}?{}", queries.join("&"));
        }
        uri.parse().map_err(|_| invalid())
    }

    fn version(&self) -> &'static str {
        match self.face {
            Face::VertexAi => "v1",
            Face::Gemini => "v1beta",
        }
    }

    /// The model, below the API's version.
    fn resource(&self) -> String {
        let model = utf8_percent_encode(self.model, SEGMENT);
        if self.face == Face::Gemini {
            return format!("/models/{model}");
        }
        let place = match self.project {
            Some(project) => format!("/projects/{project}/"),
            None => UNKNOWN_PROJECT.to_owned(),
        };
        let location = self.location;
        let is_endpoint = self.model.bytes().all(|byte| byte.is_ascii_digit());
        match is_endpoint {
            true => format!("{place}locations/{location}/endpoints/{model}"),
            false => {
                let publisher = self.publisher;
                format!("{place}locations/{location}/publishers/{publisher}/models/{model}")
            }
        }
    }
}

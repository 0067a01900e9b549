//! What the builders of all dialects take alike: headers, parameters, and texts that may be empty.

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT},
};
use ziggurat_core::json;

use crate::{ConfigError, is_of_transport, params::is_reserved};

/// Shorter ones are placeholders (`none`, `x`), and would be found in ordinary words.
const SHORTEST_SECRET: usize = 8;

/// Who calls.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("ziggurat/", env!("CARGO_PKG_VERSION")));

/// The setting that holds headers.
const EXTRA_HEADERS: &str = "extra_headers";
/// The setting that holds parameters together.
const EXTRA_BODY: &str = "extra_body";

/// Headers and parameters that a deployment adds to its requests.
#[derive(Clone, Default)]
pub struct Additions {
    headers: Vec<(String, String)>,
    parameters: Vec<(Box<str>, Bytes)>,
}

impl Additions {
    /// Adds a header. It is checked when it is read.
    pub fn header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.headers.push((name.into(), value.into()));
    }

    /// Adds a parameter; `value` is JSON.
    pub fn parameter(&mut self, name: impl Into<Box<str>>, value: impl Into<Bytes>) {
        self.parameters.push((name.into(), value.into()));
    }

    /// Returns the headers in order.
    ///
    /// # Errors
    ///
    /// A name is none, or one of those that say how a request is sent.
    pub fn headers(&self) -> Result<Vec<(HeaderName, &str)>, ConfigError> {
        let checked = self.headers.iter().map(|(name, text)| {
            let name = HeaderName::try_from(name)
                .map_err(|_| ConfigError::new(EXTRA_HEADERS, "not a header name"))?;
            match is_of_transport(&name) {
                false => Ok((name, &**text)),
                true => {
                    let problem = format!("{name} cannot be set: it says how the request is sent");
                    Err(ConfigError::new(EXTRA_HEADERS, problem))
                }
            }
        });
        checked.collect()
    }

    /// Puts the headers in place of those that are there. Their values are often keys as well, so they are added to
    /// `secrets`.
    ///
    /// # Errors
    ///
    /// A name or a value cannot be sent.
    pub fn put_headers(
        &self,
        headers: &mut HeaderMap,
        secrets: &mut Vec<String>,
    ) -> Result<(), ConfigError> {
        for (name, text) in self.headers()? {
            put_secret_header(headers, name, text, secrets)?;
        }
        Ok(())
    }

    /// Returns the parameters that are for the provider, with those of `extra_body` in its place.
    ///
    /// # Errors
    ///
    /// `extra_body` is no object.
    pub fn parameters(&self) -> Result<Vec<(Box<str>, Bytes)>, ConfigError> {
        let mut parameters = Vec::new();
        for (name, value) in &self.parameters {
            if &**name == EXTRA_BODY {
                let body = json::Document::parse(value.clone())
                    .map_err(|_| ConfigError::new(EXTRA_BODY, "not a mapping"))?;
                parameters.extend(body.members().map(|(name, value)| {
                    let value = Bytes::copy_from_slice(value.as_bytes());
                    (name.into_owned().into(), value)
                }));
            } else if !is_reserved(name) {
                parameters.push((name.clone(), value.clone()));
            }
        }
        Ok(parameters)
    }
}

/// Without values, which are often keys.
impl fmt::Debug for Additions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(name, _)| name);
        let parameters = self.parameters.iter().map(|(name, _)| name);
        f.debug_set().entries(headers).entries(parameters).finish()
    }
}

/// Puts one of a deployment's own headers in place of that of its name, and adds what it holds to `secrets`.
///
/// # Errors
///
/// The value cannot be sent.
pub fn put_secret_header(
    headers: &mut HeaderMap,
    name: HeaderName,
    text: &str,
    secrets: &mut Vec<String>,
) -> Result<(), ConfigError> {
    headers.insert(name, secret_value(EXTRA_HEADERS, text)?);
    secrets.push(text.strip_prefix("Bearer ").unwrap_or(text).to_owned());
    Ok(())
}

/// The headers of every request with a JSON body.
#[must_use]
pub fn json_headers(accept: &'static str) -> HeaderMap {
    // Room for a few more: each request has a copy, which would have to grow for the first header that is added to it.
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, AGENT);
    headers
}

/// Makes the value of a header of a setting.
///
/// # Errors
///
/// It has a character that no header may have.
pub fn value(setting: &'static str, text: &str) -> Result<HeaderValue, ConfigError> {
    HeaderValue::from_str(text).map_err(|_| ConfigError::new(setting, "not a header value"))
}

/// Makes a value that is not shown.
///
/// # Errors
///
/// It has a character that no header may have.
pub fn secret_value(setting: &'static str, text: &str) -> Result<HeaderValue, ConfigError> {
    let mut value = value(setting, text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Returns a text without the spaces around it; `None` if nothing is left.
#[must_use]
pub fn filled(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the first of several variables of an environment that is set.
pub fn variable(environment: impl Fn(&str) -> Option<String>, names: &[&str]) -> Option<String> {
    let mut found = names.iter().map(|name| environment(name));
    found.find_map(|text| filled(text.as_deref()))
}

/// Keeps the secrets that can be told from ordinary words, for [`redact`](crate::redact).
#[must_use]
pub fn worth_hiding(secrets: Vec<String>) -> Vec<Box<str>> {
    let long = secrets
        .into_iter()
        .filter(|secret| secret.len() >= SHORTEST_SECRET);
    long.map(Into::into).collect()
}

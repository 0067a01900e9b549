//! Access tokens for an application, from Microsoft Entra.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE},
};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::{
    HttpClient,
    credentials::{Cached, Fresh},
};

use crate::{ConfigError, failure::Wire, url::SEGMENT};

/// Values of the `Authorization` header.
pub(crate) type Tokens = Cached<HeaderValue>;

/// Where applications of the public cloud get their tokens.
const AUTHORITY: &str = "https://login.microsoftonline.com";
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// How long a token is taken for good whose server does not say; Microsoft's last an hour or more.
const UNSAID: Duration = Duration::from_secs(600);

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// An application that proves who it is with a secret.
pub(crate) struct Application {
    pub(crate) authority: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) secret: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Some endpoints write it as text.
    expires_in: Option<serde_json::Value>,
}

impl Application {
    pub(crate) fn tokens(&self, client: HttpClient) -> Result<Tokens, ConfigError> {
        let encode = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
        let authority = self.authority.as_deref().unwrap_or(AUTHORITY);
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            authority.trim_end_matches('/'),
            encode(&self.tenant)
        );
        let fault = || ConfigError::new("AZURE_AUTHORITY_HOST", "not a URL with a scheme");
        let url: Uri = url.parse().map_err(|_| fault())?;
        if url.scheme().is_none() || url.authority().is_none() {
            return Err(fault());
        }
        let scope = self.scope.as_deref().unwrap_or(SCOPE);
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
            encode(&self.id),
            encode(&self.secret),
            encode(scope)
        );
        let key = format!("entra\n{url}\n{form}");
        let (form, secret) = (Bytes::from(form), Box::<str>::from(&*self.secret));
        Ok(Cached::shared(&client.clone(), key, move || {
            let mut request = Request::new(form.clone());
            *request.method_mut() = Method::POST;
            *request.uri_mut() = url.clone();
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, FORM);
            headers.insert(ACCEPT, JSON);
            headers.insert(ACCEPT_ENCODING, IDENTITY);
            let (client, secret) = (client.clone(), secret.clone());
            async move {
                let (head, body) = client.fetch(request).await?.into_parts();
                match head.status.is_success() {
                    true => granted(&body),
                    false => Err(refused(head.status, &head.headers, &body, secret)),
                }
            }
        }))
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").finish_non_exhaustive()
    }
}

fn granted(body: &[u8]) -> Result<Fresh<HeaderValue>, Failure> {
    let invalid = || {
        Failure::new(FailureKind::InvalidResponse)
            .with_message("the answer of the token server is not a token")
    };
    let granted: Granted = serde_json::from_slice(body).map_err(|_| invalid())?;
    if granted.access_token.is_empty() {
        return Err(invalid());
    }
    let value = format!("Bearer {}", granted.access_token);
    let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
    value.set_sensitive(true);
    let seconds = granted.expires_in.and_then(|it| match it {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    });
    let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let lifetime = lifetime.filter(|lifetime| !lifetime.is_zero());
    Ok(Fresh::new(value).expires_in(lifetime.unwrap_or(UNSAID)))
}

/// Entra says 400 of an application that it does not know, 401 of a wrong secret.
fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8], secret: Box<str>) -> Failure {
    // Not the caller's fault, nor the model's: that of the credentials, unless the server is in trouble itself.
    let is_transient = matches!(status.as_u16(), 408 | 429 | 500..);
    let kind = match FailureKind::from_status(status) {
        None => FailureKind::InvalidResponse,
        Some(kind) if is_transient => kind,
        Some(_) => FailureKind::Authentication,
    };
    let said = described(body, secret);
    let message = match said.is_empty() {
        true => format!("the token server answered with {}", status.as_u16()),
        false => format!("the token server answered with {}: {said}", status.as_u16()),
    };
    Failure::from_head(kind, status, headers)
        .with_message(message)
        .with_status(kind.status())
}

/// What `{"error": …, "error_description": …}` says.
fn described(body: &[u8], secret: Box<str>) -> String {
    #[derive(Deserialize)]
    struct Refused {
        error_description: String,
    }
    let refused: Result<Refused, _> = serde_json::from_slice(body);
    let text = refused.map(|refused| refused.error_description);
    let text = text.as_deref().map_or(body, str::as_bytes);
    Wire::of(text, &[secret]).into_message()
}

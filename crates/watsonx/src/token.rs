//! Access tokens for API keys, from IBM Cloud's IAM.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT},
};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::{
    HttpClient,
    credentials::{Cached, Fresh},
};

use crate::{failure::Wire, url::PLAIN};

/// Values of the `Authorization` header.
pub(crate) type Tokens = Cached<HeaderValue>;

/// How long a token is taken for good whose server does not say; IBM's last an hour.
const UNSAID: Duration = Duration::from_secs(600);

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("ziggurat/", env!("CARGO_PKG_VERSION")));

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<f64>,
}

/// Fetches tokens for a key.
pub(crate) fn tokens(client: HttpClient, url: Uri, key: &str) -> Tokens {
    let form = format!(
        "grant_type={}&apikey={}",
        utf8_percent_encode("urn:ibm:params:oauth:grant-type:apikey", PLAIN),
        utf8_percent_encode(key, PLAIN),
    );
    let (form, secrets) = (Bytes::from(form), [Box::<str>::from(key)]);
    let shared = format!("ibm iam\n{url}\n{key}");
    Cached::shared(&client.clone(), shared, move || {
        let mut request = Request::new(form.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, FORM);
        headers.insert(ACCEPT, JSON);
        headers.insert(ACCEPT_ENCODING, IDENTITY);
        headers.insert(USER_AGENT, AGENT);
        let (client, secrets) = (client.clone(), secrets.clone());
        async move {
            let (head, body) = client.fetch(request).await?.into_parts();
            match head.status.is_success() {
                true => granted(&body),
                false => Err(refused(head.status, &head.headers, &body, &secrets)),
            }
        }
    })
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
    let lifetime = granted.expires_in.and_then(|seconds| {
        let seconds = Duration::try_from_secs_f64(seconds);
        seconds.ok().filter(|lifetime| !lifetime.is_zero())
    });
    Ok(Fresh::new(value).expires_in(lifetime.unwrap_or(UNSAID)))
}

/// IAM says 400 of a key that it does not know.
fn refused(
    status: StatusCode,
    headers: &http::HeaderMap,
    body: &[u8],
    secrets: &[Box<str>],
) -> Failure {
    // Not the caller's fault, nor the model's: that of the credentials, unless the server is in trouble itself.
    let is_transient = matches!(status.as_u16(), 408 | 429 | 500..);
    let kind = match FailureKind::from_status(status) {
        None => FailureKind::InvalidResponse,
        Some(kind) if is_transient => kind,
        Some(_) => FailureKind::Authentication,
    };
    let said = Wire::of(body, secrets).message();
    let message = match said.is_empty() {
        true => format!("the token server answered with {}", status.as_u16()),
        false => format!("the token server answered with {}: {said}", status.as_u16()),
    };
    Failure::from_head(kind, status, headers)
        .with_message(message)
        .with_status(kind.status())
}

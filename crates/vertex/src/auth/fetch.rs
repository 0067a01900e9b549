//! Requests to token servers.

use std::time::Duration;

use bytes::Bytes;
use http::{
    Method, Request, Response,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::HttpClient;

use super::{Granted, LIFETIME, SCOPE, invalid};

/// What is written as it is in a form.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Most characters of what a token server says that are shown.
const LONGEST: usize = 64;

pub(super) struct Fetcher {
    client: HttpClient,
}

/// What a token server says.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    /// Some servers write it as text.
    expires_in: Option<serde_json::Value>,
    error: Option<serde_json::Value>,
}

// === impl Fetcher ===

impl Fetcher {
    pub(super) fn new(client: HttpClient) -> Self {
        Self { client }
    }

    pub(super) async fn get(
        &self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Bytes>, Failure> {
        let mut request = Request::get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, Bytes::new()).await
    }

    /// Asks for a token with a form.
    pub(super) async fn exchange(
        &self,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Granted, Failure> {
        let encoded = |text| utf8_percent_encode(text, FORM).to_string();
        let pairs = form
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let request = Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        granted(&self.send(request, body.into()).await?)
    }

    /// Asks for the token of a service account with that of someone who may have it.
    pub(super) async fn impersonate(
        &self,
        url: &str,
        delegates: &[String],
        token: &str,
    ) -> Result<Granted, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Impersonated {
            access_token: String,
        }
        let lifetime = format!("{}s", LIFETIME.as_secs());
        let body = json!({"delegates": delegates, "scope": [SCOPE], "lifetime": lifetime});
        let request = Request::post(url)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json");
        let response = self.send(request, body.to_string().into()).await?;
        let answer: Impersonated = serde_json::from_slice(response.body())
            .map_err(|_| invalid("the answer of the token server has no token"))?;
        Ok(Granted {
            token: answer.access_token,
            lifetime: Some(LIFETIME),
            project: None,
        })
    }

    async fn send(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        let request = request
            .header(ACCEPT, "*/*")
            .header(ACCEPT_ENCODING, "identity");
        let request = request.body(body).map_err(|_| {
            // The URL was checked when the deployment was built, but not what it is sent with.
            Failure::new(FailureKind::Authentication)
                .with_message("the credentials hold what cannot be sent")
        })?;
        let is_post = request.method() == Method::POST;
        let response = self.client.fetch(request).await?;
        match response.status() {
            status if status.is_success() => Ok(response),
            _ => Err(refused(&response, is_post)),
        }
    }
}

/// Reads a token.
pub(super) fn granted(response: &Response<Bytes>) -> Result<Granted, Failure> {
    let answer: Option<Answer> = serde_json::from_slice(response.body()).ok();
    let token = answer
        .as_ref()
        .and_then(|answer| answer.access_token.clone())
        .filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| invalid("the answer of the token server has no token"))?;
    let seconds: Option<f64> = answer.and_then(|answer| match answer.expires_in? {
        serde_json::Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    });
    Ok(Granted {
        token,
        lifetime: seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
        project: None,
    })
}

/// What the refusal of a token server means: that the credentials are no good, unless it is in trouble itself.
fn refused(response: &Response<Bytes>, is_exchange: bool) -> Failure {
    let status = response.status();
    let server = match is_exchange {
        true => "the token server",
        false => "the source of credentials",
    };
    let transient = matches!(status.as_u16(), 408 | 429 | 500..);
    let kind = match FailureKind::from_status(status) {
        None => FailureKind::InvalidResponse,
        Some(kind) if transient => kind,
        Some(_) => FailureKind::Authentication,
    };
    let said = said(response.body());
    let message = match said.is_empty() {
        true => format!("{server} answered with {}", status.as_u16()),
        false => format!("{server} answered with {}: {said}", status.as_u16()),
    };
    Failure::from_head(kind, status, response.headers())
        .with_message(message)
        .with_status(kind.status())
}

/// The word of a refusal, if it is one of OAuth's. Free text is left out: it may quote what was sent.
fn said(body: &[u8]) -> String {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return String::new();
    };
    let code = answer.error.as_ref().and_then(|error| match error {
        serde_json::Value::String(code) => Some(code.as_str()),
        error => error.get("message")?.as_str(),
    });
    let is_word = |code: &&str| {
        let mut letters = code.bytes();
        code.len() <= LONGEST && letters.all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    code.filter(is_word).unwrap_or_default().to_owned()
}

//! Hugging Face's router, which passes calls on to other providers.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Request, Uri,
    header::{ACCEPT, ACCEPT_ENCODING},
};
use percent_encoding::{AsciiSet, utf8_percent_encode};
use serde_json::Value;
use ziggurat_core::{Failure, FailureKind, json};
use ziggurat_provider::{
    HttpClient,
    credentials::{Cached, Fresh},
};

use crate::{
    ConfigError,
    url::{Base, SEGMENT, Uris},
};

pub(crate) const ROUTER: &str = "https://router.huggingface.co";
const HUB: &str = "https://huggingface.co";

/// How long a provider's name of a model is taken for good.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What the path of a model may hold as it is.
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// Names of models as JSON.
pub(crate) type Names = Cached<Bytes>;

/// A model at a provider behind the router.
pub(crate) struct Routed<'a> {
    provider: &'a str,
    model: &'a str,
}

impl<'a> Routed<'a> {
    /// Reads `<provider>/<organisation>/<model>`; `None` if it names no provider.
    pub(crate) fn of(model: &'a str) -> Option<Self> {
        let (provider, model) = model.split_once('/')?;
        model.contains('/').then_some(Self { provider, model })
    }

    /// The URLs that are called, below the router's.
    pub(crate) fn uris(&self, router: &str) -> Result<Uris, ConfigError> {
        let encode = |text: &str| utf8_percent_encode(text, PATH).to_string();
        let provider = encode(self.provider);
        let path = match self.provider {
            "hf-inference" => format!("{provider}/models/{}/v1", encode(self.model)),
            "novita" => format!("{provider}/v3/openai"),
            "fireworks-ai" => format!("{provider}/inference/v1"),
            _ => format!("{provider}/v1"),
        };
        let base = format!("{}/{path}", router.trim_end_matches('/'));
        Ok(Base::parse(&base)?.compatible()?.without_responses())
    }

    /// What the provider calls the model: the hub knows.
    pub(crate) fn names(
        &self,
        client: HttpClient,
        hub: Option<&str>,
    ) -> Result<Names, ConfigError> {
        let url = format!(
            "{}/api/models/{}?expand=inferenceProviderMapping",
            hub.unwrap_or(HUB).trim_end_matches('/'),
            utf8_percent_encode(self.model, PATH)
        );
        let fault = || ConfigError::new("HF_ENDPOINT", "not a URL with a scheme and a host");
        let url: Uri = url.parse().map_err(|_| fault())?;
        if url.scheme().is_none() || url.authority().is_none() {
            return Err(fault());
        }
        let (provider, model) = (self.provider.to_owned(), self.model.to_owned());
        Ok(Cached::new(move || {
            let mut request = Request::new(Bytes::new());
            *request.uri_mut() = url.clone();
            let headers = request.headers_mut();
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            let (client, provider, model) = (client.clone(), provider.clone(), model.clone());
            async move {
                let (head, body) = client.fetch(request).await?.into_parts();
                if !head.status.is_success() {
                    let kind = FailureKind::from_status(head.status);
                    let kind = kind.unwrap_or(FailureKind::InvalidResponse);
                    let status = head.status.as_u16();
                    let message = format!("Hugging Face answered with {status} about {model}");
                    return Err(Failure::from_head(kind, head.status, &head.headers)
                        .with_message(message)
                        .with_status(kind.status()));
                }
                let name = name_at(&body, &provider).ok_or_else(|| {
                    let message = format!("{model} is not served by {provider}");
                    Failure::new(FailureKind::NotFound).with_message(message)
                })?;
                Ok(Fresh::new(json::string(&name)).expires_in(LIFETIME))
            }
        }))
    }
}

/// Reads `{"inferenceProviderMapping": …}`, which has an object of providers or a list of them.
fn name_at(body: &[u8], provider: &str) -> Option<String> {
    let model: Value = serde_json::from_slice(body).ok()?;
    let entry = match model.get("inferenceProviderMapping")? {
        Value::Array(entries) => entries.iter().find(|entry| entry["provider"] == provider)?,
        entries => entries.get(provider)?,
    };
    entry.get("providerId")?.as_str().map(str::to_owned)
}

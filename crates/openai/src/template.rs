//! What all requests of a deployment have in common, made once.

use bytes::Bytes;
use http::HeaderMap;
use ziggurat_core::{Failure, FailureKind, JsonBody, Operation, json};
use ziggurat_provider::{
    Call,
    params::{self, Unsupported},
};

use crate::{
    Face, entra::Tokens, limits::Limits, messages::Rewrites, reasoning::Series, router::Names,
    url::Uris,
};

/// A deployment, ready to be called. It holds keys: no `Debug`.
pub(crate) struct Template {
    pub(crate) face: Face,
    pub(crate) uris: Uris,
    /// The provider has the legacy endpoint only.
    pub(crate) completions_only: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) key_missing: bool,
    /// Set if calls are authenticated by tokens that are fetched.
    pub(crate) tokens: Option<Tokens>,
    /// Set if the model's name at a provider behind a router has to be fetched.
    pub(crate) names: Option<Names>,
    /// What must never be shown, should an upstream quote it.
    pub(crate) secrets: Vec<Box<str>>,
    pub(crate) api_base: Box<str>,
    pub(crate) model: Box<str>,
    pub(crate) model_json: Bytes,
    pub(crate) series: Option<Series>,
    /// Set if the API version or the model lacks something.
    pub(crate) limits: Option<Limits>,
    pub(crate) rewrites: Rewrites,
    pub(crate) defaults: Vec<(Box<str>, Bytes)>,
    pub(crate) unsupported: Unsupported,
}

impl Template {
    /// Writes a model's name as JSON. Clients often have the upstream's.
    pub(crate) fn quoted(&self, model: &str) -> Bytes {
        match *model == *self.model {
            true => self.model_json.clone(),
            false => json::string(model),
        }
    }

    /// Makes the body for the upstream.
    pub(crate) fn body(&self, call: Call<'_>) -> JsonBody {
        let mut body = params::body(call, &self.defaults);
        body.set("model", self.model_json.clone());
        if call.operation() == Operation::Chat {
            self.rewrites.apply(&mut body);
        }
        body
    }

    /// Fits parameters to what the model and the API version take. Says whether the answer will come as a call of the
    /// tool that stands in for `response_format`.
    ///
    /// # Errors
    ///
    /// [`BadRequest`](FailureKind::BadRequest) that names what is not taken.
    pub(crate) fn fit(&self, body: &mut JsonBody) -> Result<bool, Failure> {
        if self.series.is_none() && self.limits.is_none() {
            return Ok(false);
        }
        let permits = self.unsupported.permits(body);
        if let Some(series) = self.series {
            series.fit(body, &self.model, &permits)?;
        }
        match &self.limits {
            Some(limits) => limits.fit(body, &permits),
            None => Ok(false),
        }
    }

    /// Returns the host that is called.
    pub(crate) fn host(&self) -> Option<&str> {
        self.uris.of(Operation::Chat)?.host()
    }

    pub(crate) fn missing_key(&self) -> Failure {
        let name = match self.face {
            Face::OpenAi => "OPENAI_API_KEY",
            Face::Azure => "AZURE_API_KEY",
            Face::HuggingFace => "HF_TOKEN",
        };
        let message = format!("no key for the provider: set api_key or {name}");
        Failure::new(FailureKind::Authentication).with_message(message)
    }
}

//! What all requests of a deployment have in common, made once.

use bytes::Bytes;
use http::{HeaderMap, header::AUTHORIZATION};
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::{
    Call,
    params::{self, Unsupported},
};

use crate::{chat, generation, token::Tokens, url::Urls};

/// Which of the two APIs is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Chat,
    Text,
}

/// A deployment, ready to be called. It holds keys: no `Debug`.
pub(crate) struct Template {
    pub(crate) route: Route,
    pub(crate) urls: Urls,
    pub(crate) headers: HeaderMap,
    /// Set if calls are authenticated by tokens that are fetched.
    pub(crate) tokens: Option<Tokens>,
    /// What must never be shown, should an upstream quote it.
    pub(crate) secrets: Vec<Box<str>>,
    pub(crate) api_base: Box<str>,
    pub(crate) model: Box<str>,
    /// `None` for a deployment: its id is in the URL.
    pub(crate) model_json: Option<Bytes>,
    /// The project or space, as a member of the body; a deployment has its own.
    pub(crate) scope: Option<(&'static str, Bytes)>,
    pub(crate) defaults: Vec<(Box<str>, Bytes)>,
    pub(crate) unsupported: Unsupported,
}

/// Members that only the deployment sets, and credentials, which never belong into a body.
const OWN: &[&str] = &[
    "model",
    "model_id",
    "project_id",
    "space_id",
    "token",
    "zen_api_key",
];

impl Template {
    /// What tokens are fetched by, unless a header that an operator adds to each request takes their place.
    pub(crate) fn tokens(&self) -> Option<&Tokens> {
        let tokens = self.tokens.as_ref();
        tokens.filter(|_| !self.headers.contains_key(AUTHORIZATION))
    }

    /// Makes the body for the upstream.
    ///
    /// # Errors
    ///
    /// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names what watsonx does not take.
    pub(crate) fn body(&self, call: Call<'_>, stream: bool) -> Result<JsonBody, Failure> {
        let mut body = params::body(call, &self.defaults);
        let permits = self.unsupported.permits(&mut body);
        let mut body = match self.route {
            Route::Chat => {
                chat::fit(&mut body, &permits, &self.model)?;
                body.set("stream", if stream { "true" } else { "false" });
                body
            }
            Route::Text => generation::body(&body, &permits, &self.model)?,
        };
        for name in OWN {
            body.remove(*name);
        }
        if let Some(model) = &self.model_json {
            if self.route == Route::Chat {
                body.set("model", model.clone());
            }
            body.set("model_id", model.clone());
        }
        if let Some((name, id)) = &self.scope {
            body.set(*name, id.clone());
        }
        Ok(body)
    }
}

//! What all requests of a deployment have in common, made once.

use bytes::Bytes;
use http::HeaderMap;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::{
    credentials::{Cached, Used},
    params::Unsupported,
};

use crate::{Face, auth::Token, model::Model, url::Endpoint};

/// A deployment, ready to be called. It holds keys: no `Debug`.
pub(crate) struct Template {
    pub(crate) face: Face,
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: HeaderMap,
    pub(crate) key_missing: bool,
    /// What must never be shown, should an upstream quote it.
    pub(crate) secrets: Vec<Box<str>>,
    /// Set if calls need a token that expires.
    pub(crate) tokens: Option<Cached<Token>>,
    pub(crate) api_base: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) model: Model,
    pub(crate) defaults: Vec<(Box<str>, Bytes)>,
    pub(crate) unsupported: Unsupported,
}

impl Template {
    /// What must not be shown of a call: the keys, and the token that it was made with.
    pub(crate) fn secrets(&self, used: &Used) -> Vec<Box<str>> {
        let keys = self.secrets.iter().cloned();
        keys.chain(used.secret()).collect()
    }

    pub(crate) fn missing_key(&self) -> Failure {
        Failure::new(FailureKind::Authentication)
            .with_message("no key for the provider: set api_key or GEMINI_API_KEY")
    }
}

//! What all requests of a deployment have in common, made once.

use bytes::Bytes;
use http::HeaderMap;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::{credentials::Cached, params::Unsupported, redact};

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
    /// What must not be shown now: the keys, and the token in use.
    pub(crate) fn secrets(&self) -> Vec<Box<str>> {
        let mut secrets = self.secrets.clone();
        let token = self.tokens.as_ref().and_then(Cached::at_hand);
        secrets.extend(token.as_ref().and_then(Token::text).map(Into::into));
        secrets
    }

    pub(crate) fn is_secret(&self, text: &[u8]) -> bool {
        redact::is_needed(&self.secrets(), text)
    }

    pub(crate) fn missing_key(&self) -> Failure {
        Failure::new(FailureKind::Authentication)
            .with_message("no key for the provider: set api_key or GEMINI_API_KEY")
    }
}

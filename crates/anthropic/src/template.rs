//! What all requests of a deployment have in common, made once.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use ziggurat_core::{Failure, FailureKind};
use ziggurat_models::Provider;
use ziggurat_provider::params::Unsupported;

use crate::native::Own;

/// A deployment, ready to be called. It holds keys: no `Debug`.
pub(crate) struct Template {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// What the deployment itself wants in `anthropic-beta`.
    pub(crate) betas: Vec<HeaderValue>,
    pub(crate) key_missing: bool,
    /// What must never be shown, should an upstream quote it.
    pub(crate) secrets: Vec<Box<str>>,
    pub(crate) api_base: Box<str>,
    pub(crate) model: Model,
    pub(crate) defaults: Vec<(Box<str>, Bytes)>,
    pub(crate) unsupported: Unsupported,
    pub(crate) own: Own,
}

/// A model, and what is known of it.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: Box<str>,
    pub(crate) max_output: Option<u64>,
    /// Whether it may think before it answers.
    pub(crate) reasons: bool,
    /// Whether it finds the length of its thoughts itself.
    pub(crate) adapts: bool,
    /// Whether it holds to schemas without a tool.
    pub(crate) knows_schemas: bool,
}

impl Template {
    pub(crate) fn missing_key(&self) -> Failure {
        let message = "no key for the provider: set api_key or ANTHROPIC_API_KEY";
        Failure::new(FailureKind::Authentication).with_message(message)
    }
}

/// The failure of an answer that is none, with the status that clients of the provider know it under.
pub(crate) fn invalid(message: &str) -> Failure {
    no_answer(Failure::new(FailureKind::InvalidResponse).with_message(message))
}

/// What an event is that cannot be read.
pub(crate) fn unreadable() -> Failure {
    invalid("the upstream's stream has an unreadable event")
}

pub(crate) fn no_answer(failure: Failure) -> Failure {
    failure.with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

impl Model {
    /// Looks a model up. Of one that is not known everything is thought possible but what is asked for unasked.
    pub(crate) fn of(name: &str) -> Self {
        let facts = ziggurat_models::facts(Some(Provider::Anthropic), name);
        let supports = |capability| facts.as_ref().map(|facts| facts.supports(capability));
        Self {
            name: name.into(),
            max_output: facts.as_ref().and_then(|facts| facts.max_output_tokens),
            reasons: supports("reasoning").unwrap_or(true),
            adapts: supports("adaptive_thinking").unwrap_or(false),
            knows_schemas: supports("native_structured_output").unwrap_or(false),
        }
    }
}

use std::{fmt, sync::Arc};

use crate::{TokenCounts, json::Document};

/// A request for a model, as the edge read it from the body.
///
/// A request extension, read by filters and by the leaf. Cloning counts references. [`Debug`](fmt::Debug) shows the
/// model, never the body.
#[derive(Clone)]
pub struct LlmRequest {
    model: Arc<str>,
    stream: bool,
    document: Document,
    tokens: Arc<TokenCounts>,
}

impl LlmRequest {
    /// Describes a request: the model that was asked for, whether a stream is wanted, and the body.
    pub fn new(model: impl Into<Arc<str>>, stream: bool, document: Document) -> Self {
        Self {
            model: model.into(),
            stream,
            document,
            tokens: Arc::default(),
        }
    }

    /// Returns the model that the client asked for.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Says whether the client wants a stream.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// Returns the body as the client sent it.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Returns the token counts of the prompt: one memory for all copies of the request.
    #[must_use]
    pub fn tokens(&self) -> &TokenCounts {
        &self.tokens
    }
}

impl fmt::Debug for LlmRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmRequest")
            .field("model", &self.model)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

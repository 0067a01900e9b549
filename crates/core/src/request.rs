use std::{fmt, sync::Arc};

use crate::{TokenCounts, json::Document};

/// A request for a model, as the edge read it from the body.
///
/// A request extension, read by filters and by the leaf. Cloning counts references. [`Debug`](fmt::Debug) shows the
/// model, never the body.
#[derive(Clone)]
pub struct LlmRequest(Arc<Inner>);

struct Inner {
    model: Arc<str>,
    stream: bool,
    document: Document,
    tokens: TokenCounts,
}

impl LlmRequest {
    /// Describes a request: the model that was asked for, whether a stream is wanted, and the body.
    pub fn new(model: impl Into<Arc<str>>, stream: bool, document: Document) -> Self {
        Self(Arc::new(Inner {
            model: model.into(),
            stream,
            document,
            tokens: TokenCounts::default(),
        }))
    }

    /// Returns the model that the client asked for.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.0.model
    }

    /// Says whether the client wants a stream.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.0.stream
    }

    /// Returns the body as the client sent it.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.0.document
    }

    /// Returns the token counts of the prompt: one memory for all copies of the request.
    #[must_use]
    pub fn tokens(&self) -> &TokenCounts {
        &self.0.tokens
    }
}

impl fmt::Debug for LlmRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmRequest")
            .field("model", &self.0.model)
            .field("stream", &self.0.stream)
            .finish_non_exhaustive()
    }
}

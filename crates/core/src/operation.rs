use std::fmt;

use http::Extensions;

/// What a request asks of a model: which of the endpoints of OpenAI's API it was sent to.
///
/// A request extension, put by the edge, read by the leaf. Absent means [`Chat`](Self::Chat).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// The next message of a conversation.
    #[default]
    Chat,
    /// The continuation of a text: the legacy endpoint.
    Completions,
    /// The vectors of texts.
    Embeddings,
}

impl Operation {
    /// All operations. None of their paths is the end of an earlier one's.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Completions, Self::Embeddings];

    /// Reads the operation of a request.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }

    /// Returns the path of the endpoint, below the base of the API.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
        }
    }

    /// Returns the member of the body without which a request asks nothing.
    #[must_use]
    pub const fn prompt(self) -> &'static str {
        match self {
            Self::Chat => "messages",
            Self::Completions => "prompt",
            Self::Embeddings => "input",
        }
    }

    /// Returns the name that OpenTelemetry's `gen_ai.operation.name` has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "text_completion",
            Self::Embeddings => "embeddings",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

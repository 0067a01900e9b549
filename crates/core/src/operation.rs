use std::fmt;

use http::Extensions;

/// What a request asks of a model: which of the endpoints of OpenAI's API, or of Anthropic's, it was sent to.
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
    /// The next message of a conversation, by OpenAI's Responses API.
    Responses,
    /// The next message of a conversation, by Anthropic's Messages API.
    Messages,
    /// The number of tokens that a conversation of Anthropic's Messages API has.
    CountTokens,
}

impl Operation {
    /// All operations. None of their paths is the end of an earlier one's.
    pub const ALL: [Self; 6] = [
        Self::Chat,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
    ];

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
            Self::Responses => "/responses",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
        }
    }

    /// Returns the member of the body without which a request asks nothing; `None` if there are several ways to ask.
    #[must_use]
    pub const fn prompt(self) -> Option<&'static str> {
        match self {
            Self::Chat | Self::Messages | Self::CountTokens => Some("messages"),
            Self::Completions => Some("prompt"),
            Self::Embeddings => Some("input"),
            // `input`, a stored `prompt`, or an earlier answer that goes on.
            Self::Responses => None,
        }
    }

    /// Says whether an answer may be a stream.
    #[must_use]
    pub const fn has_streams(self) -> bool {
        !matches!(self, Self::Embeddings | Self::CountTokens)
    }

    /// Says whether requests and answers are in Anthropic's form; else they are in OpenAI's.
    #[must_use]
    pub const fn is_anthropic(self) -> bool {
        matches!(self, Self::Messages | Self::CountTokens)
    }

    /// Returns the name that OpenTelemetry's `gen_ai.operation.name` has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses | Self::Messages => "chat",
            Self::Completions => "text_completion",
            Self::Embeddings => "embeddings",
            // OpenTelemetry has no word for it.
            Self::CountTokens => "count_tokens",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! What an answer used, in Anthropic's words.

use serde::{Deserialize, Serialize};

/// OpenAI's words: the tokens of the prompt are all of them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Details>,
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Option<u64>,
}

/// Anthropic's words: those that the cache saw are counted apart.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Usage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

impl Told {
    pub(super) fn usage(self) -> Usage {
        let read = self
            .prompt_tokens_details
            .and_then(|details| details.cached_tokens);
        let (read, created) = (
            read.unwrap_or_default(),
            self.cache_creation_input_tokens.unwrap_or_default(),
        );
        let prompt = self.prompt_tokens.unwrap_or_default();
        Usage {
            input_tokens: prompt.saturating_sub(read).saturating_sub(created),
            cache_creation_input_tokens: created,
            cache_read_input_tokens: read,
            output_tokens: self.completion_tokens.unwrap_or_default(),
        }
    }
}

impl Usage {
    /// What is known before the answer: the prompt, if someone has counted it.
    pub(super) fn of_prompt(input_tokens: u64) -> Self {
        Self {
            input_tokens,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 0,
            output_tokens: 0,
        }
    }

    /// The same with this many tokens of the answer, for an upstream that has not told.
    pub(super) fn with_output(self, output_tokens: u64) -> Self {
        Self {
            output_tokens,
            ..self
        }
    }
}

use bpe_openai::{Tokenizer, cl100k_base, o200k_base};
use ziggurat_core::TokenCount;

use crate::{CountTokens, Prompt, bytes::LONGEST};

/// Counts with one of OpenAI's vocabularies.
///
/// A vocabulary is loaded at its first count, which takes some 0.1 s. Counting takes time in proportion to the text,
/// whatever the text, and stops at the limit; of a text that cannot fit because no token is longer than 128 bytes, no
/// token is counted. Special tokens (`<|endoftext|>`) count as the ordinary text that they are in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact {
    vocabulary: Vocabulary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vocabulary {
    Cl100k,
    O200k,
}

// === impl Exact ===

impl Exact {
    /// Counts with cl100k_base: gpt-3.5, gpt-4, embeddings.
    #[must_use]
    pub const fn cl100k() -> Self {
        Self {
            vocabulary: Vocabulary::Cl100k,
        }
    }

    /// Counts with o200k_base: gpt-4o and everything since.
    #[must_use]
    pub const fn o200k() -> Self {
        Self {
            vocabulary: Vocabulary::O200k,
        }
    }

    /// Counts the tokens of a text, up to a limit.
    #[must_use]
    pub fn text(self, text: &str, limit: u64) -> TokenCount {
        let least = (text.len() as u64).div_ceil(LONGEST);
        if least > limit {
            return TokenCount::above(least - 1);
        }
        let tokenizer = self.tokenizer();
        let text = tokenizer.normalize(text);
        let rest = usize::try_from(limit).unwrap_or(usize::MAX);
        match tokenizer.count_till_limit(&text, rest) {
            Some(tokens) => TokenCount::exact(tokens as u64),
            None => TokenCount::above(limit),
        }
    }

    /// Its statics load on first use.
    fn tokenizer(self) -> &'static Tokenizer {
        match self.vocabulary {
            Vocabulary::Cl100k => cl100k_base(),
            Vocabulary::O200k => o200k_base(),
        }
    }
}

impl CountTokens for Exact {
    fn name(&self) -> &'static str {
        match self.vocabulary {
            Vocabulary::Cl100k => "cl100k",
            Vocabulary::O200k => "o200k",
        }
    }

    fn count(&self, prompt: &Prompt<'_>, limit: u64) -> Option<TokenCount> {
        prompt.count(limit, |text, rest| self.text(text, rest))
    }

    fn most(&self, prompt: &Prompt<'_>, limit: u64) -> Option<u64> {
        prompt.most(limit)
    }
}

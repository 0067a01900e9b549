use std::sync::Arc;

use crate::CountTokens;

/// A family of models that share a vocabulary, or are close to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// OpenAI's models before gpt-4o, and its embeddings: exact.
    Cl100k,
    /// OpenAI's models since gpt-4o: exact.
    O200k,
    /// Anthropic's.
    Claude,
    /// Google's Gemini and Gemma.
    Gemini,
    /// Meta's Llama since version 3.
    Llama,
    /// Mistral's, Llama up to version 2, and what was tuned from them, such as Zephyr.
    Mistral,
    /// Cohere's Command and Embed.
    Cohere,
    /// Amazon's Nova and Titan.
    Amazon,
    /// IBM's Granite.
    Granite,
    /// Qwen and DeepSeek.
    Qwen,
    /// Any other.
    Other,
}

/// Parts of names, in lower case; the first that is found decides.
const NAMES: [(&str, Family); 29] = [
    ("claude", Family::Claude),
    ("gemini", Family::Gemini),
    ("gemma", Family::Gemini),
    ("llama-2", Family::Mistral),
    ("llama2", Family::Mistral),
    ("codellama", Family::Mistral),
    ("deepseek", Family::Qwen),
    ("qwen", Family::Qwen),
    ("qwq", Family::Qwen),
    ("llama", Family::Llama),
    ("mistral", Family::Mistral),
    ("mixtral", Family::Mistral),
    ("ministral", Family::Mistral),
    ("codestral", Family::Mistral),
    ("zephyr", Family::Mistral),
    ("command", Family::Cohere),
    ("cohere", Family::Cohere),
    ("titan", Family::Amazon),
    ("amazon.nova", Family::Amazon),
    ("granite", Family::Granite),
    ("gpt-oss", Family::O200k),
    ("gpt-4o", Family::O200k),
    ("gpt-4.", Family::O200k),
    ("gpt-4", Family::Cl100k),
    ("gpt-3.5", Family::Cl100k),
    ("gpt-35", Family::Cl100k),
    ("text-embedding-3", Family::Cl100k),
    ("text-embedding-ada", Family::Cl100k),
    ("gpt-5", Family::O200k),
];

/// OpenAI's names that are too short to look for within others.
const WHOLE: [(&str, Family); 6] = [
    ("o1", Family::O200k),
    ("o3", Family::O200k),
    ("o4", Family::O200k),
    ("codex", Family::O200k),
    ("davinci-002", Family::Cl100k),
    ("babbage-002", Family::Cl100k),
];

// === impl Family ===

impl Family {
    /// Tells the family from a model's name, with or without prefixes: `gpt-4`, `azure/gpt-4-0613`,
    /// `bedrock/eu.anthropic.claude-3-5-sonnet-20240620-v1:0`.
    #[must_use]
    pub fn of(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let bare = model.rsplit_once('/').map_or(&*model, |(_, bare)| bare);
        let bare = bare.strip_prefix("ft:").unwrap_or(bare);
        let whole = WHOLE.iter().find(|(name, _)| {
            let rest = bare.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ':']))
        });
        let known = whole.or_else(|| NAMES.iter().find(|(part, _)| model.contains(part)));
        known.map_or(Self::Other, |&(_, family)| family)
    }

    /// Returns how many tokens of this family stand for 1000 of o200k in ordinary English.
    ///
    /// Rounded from what is published about vocabularies (256,000 pieces: Gemini, Cohere; about 130,000 to 150,000:
    /// Llama 3, Qwen, DeepSeek; 32,000 to 65,000: Llama 2, Mistral, Granite, Claude), not measured. An estimate makes
    /// a prompt too long only if four fifths of it are above the window.
    #[must_use]
    pub const fn per_thousand(self) -> u64 {
        match self {
            Self::Cl100k | Self::O200k | Self::Gemini | Self::Other => 1000,
            Self::Llama | Self::Cohere | Self::Qwen => 1050,
            Self::Amazon => 1100,
            Self::Claude | Self::Mistral | Self::Granite => 1200,
        }
    }

    /// Says whether the family's own vocabulary is at hand, so that counts hold without a margin.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        matches!(self, Self::Cl100k | Self::O200k)
    }

    pub(crate) fn scale(self) -> Scale {
        let factor = self.per_thousand();
        Scale {
            factor,
            least: if self.is_exact() {
                factor
            } else {
                factor * 4 / 5
            },
        }
    }

    #[cfg(feature = "exact-tokens")]
    pub(crate) fn counter(self) -> Arc<dyn CountTokens> {
        match self {
            Self::Cl100k => Arc::new(crate::Exact::cl100k()),
            _ => Arc::new(crate::Exact::o200k()),
        }
    }

    #[cfg(not(feature = "exact-tokens"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    pub(crate) fn counter(self) -> Arc<dyn CountTokens> {
        Arc::new(crate::Bytes)
    }
}

/// From counted tokens to those of a family, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    factor: u64,
    /// With the margin taken off.
    least: u64,
}

impl Scale {
    /// Takes a count as it is.
    pub(crate) const ONE: Self = Self {
        factor: 1000,
        least: 1000,
    };

    /// The best guess.
    pub(crate) fn tokens(self, counted: u64) -> u64 {
        let scaled = u128::from(counted) * u128::from(self.factor);
        u64::try_from(scaled.div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// The highest count that is not surely above `room`.
    pub(crate) fn budget(self, room: u64) -> u64 {
        let budget = ((u128::from(room) + 1) * 1000 - 1) / u128::from(self.least);
        u64::try_from(budget).unwrap_or(u64::MAX)
    }
}

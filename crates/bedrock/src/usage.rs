//! Counts of tokens, in OpenAI's form.

use serde::{Deserialize, Serialize};
use ziggurat_core::Meter;

/// As Converse tells them. The tokens of the cache are not among those of the input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Tokens {
    #[serde(alias = "input_tokens")]
    pub(crate) input_tokens: u64,
    #[serde(alias = "output_tokens")]
    pub(crate) output_tokens: u64,
    #[serde(alias = "cache_read_input_tokens")]
    pub(crate) cache_read_input_tokens: u64,
    #[serde(alias = "cache_creation_input_tokens")]
    pub(crate) cache_write_input_tokens: u64,
    /// Anthropic's.
    #[serde(alias = "service_tier")]
    pub(crate) service_tier: Option<String>,
    #[serde(skip)]
    pub(crate) reasoning: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<CompletionDetails>,
    prompt_tokens_details: PromptDetails,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<String>,
}

#[derive(Debug, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

#[derive(Debug, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_creation_tokens: u64,
    cache_write_tokens: u64,
    text_tokens: u64,
}

impl Tokens {
    /// Returns what OpenAI calls the usage, and tells the meter.
    pub(crate) fn usage(&self, meter: Option<&Meter>) -> Usage {
        let prompt = self
            .input_tokens
            .saturating_add(self.cache_read_input_tokens)
            .saturating_add(self.cache_write_input_tokens);
        if let Some(meter) = meter {
            meter.record(Some(prompt), Some(self.output_tokens));
        }
        let details = |reasoning_tokens| CompletionDetails { reasoning_tokens };
        Usage {
            prompt_tokens: prompt,
            completion_tokens: self.output_tokens,
            total_tokens: prompt.saturating_add(self.output_tokens),
            completion_tokens_details: self.reasoning.map(details),
            prompt_tokens_details: PromptDetails {
                cached_tokens: self.cache_read_input_tokens,
                cache_creation_tokens: self.cache_write_input_tokens,
                cache_write_tokens: self.cache_write_input_tokens,
                text_tokens: self.input_tokens,
            },
            cache_creation_input_tokens: self.cache_write_input_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            service_tier: self.service_tier.clone(),
        }
    }
}

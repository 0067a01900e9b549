//! Counts of tokens, in OpenAI's form.

use serde::{Deserialize, Serialize};
use ziggurat_core::Meter;

/// As Converse tells them, or Anthropic. The tokens of the cache are not among those of the input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Tokens {
    #[serde(alias = "input_tokens")]
    input_tokens: Option<u64>,
    #[serde(alias = "output_tokens")]
    output_tokens: Option<u64>,
    #[serde(alias = "cache_read_input_tokens")]
    cache_read_input_tokens: Option<u64>,
    #[serde(alias = "cache_creation_input_tokens")]
    cache_write_input_tokens: Option<u64>,
    /// Anthropic's.
    #[serde(alias = "service_tier")]
    service_tier: Option<String>,
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
    text_tokens: u64,
}

#[derive(Debug, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_creation_tokens: u64,
    cache_write_tokens: u64,
    text_tokens: u64,
}

impl Tokens {
    /// Whether the upstream has told anything.
    pub(crate) fn tell(&self) -> bool {
        self.input_tokens.is_some() || self.output_tokens.is_some()
    }

    /// Takes over what a later word says; counts are totals, not additions.
    pub(crate) fn update(&mut self, later: &Self) {
        let update = |mine: &mut Option<u64>, later: Option<u64>| *mine = later.or(*mine);
        update(&mut self.input_tokens, later.input_tokens);
        update(&mut self.output_tokens, later.output_tokens);
        update(
            &mut self.cache_read_input_tokens,
            later.cache_read_input_tokens,
        );
        update(
            &mut self.cache_write_input_tokens,
            later.cache_write_input_tokens,
        );
    }

    /// Returns what OpenAI calls the usage, and tells the meter; `thought` says whether there are thoughts in the answer.
    pub(crate) fn usage(&self, thought: bool, meter: Option<&Meter>) -> Usage {
        let input = self.input_tokens.unwrap_or_default();
        let output = self.output_tokens.unwrap_or_default();
        let read = self.cache_read_input_tokens.unwrap_or_default();
        let written = self.cache_write_input_tokens.unwrap_or_default();
        let prompt = input.saturating_add(read).saturating_add(written);
        if let Some(meter) = meter {
            meter.record(Some(prompt), Some(output));
        }
        // Without thoughts all went into the rest, else as much as is told.
        let reasoning = self.reasoning.or((!thought).then_some(0));
        Usage {
            prompt_tokens: prompt,
            completion_tokens: output,
            total_tokens: prompt.saturating_add(output),
            completion_tokens_details: reasoning.map(|reasoning_tokens| CompletionDetails {
                reasoning_tokens,
                text_tokens: output.saturating_sub(reasoning_tokens),
            }),
            prompt_tokens_details: PromptDetails {
                cached_tokens: read,
                cache_creation_tokens: written,
                cache_write_tokens: written,
                text_tokens: input,
            },
            cache_creation_input_tokens: written,
            cache_read_input_tokens: read,
            service_tier: self.service_tier.clone(),
        }
    }
}

//! What an answer used, in tokens.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ziggurat_core::Meter;
use ziggurat_provider::usage::Estimate;

/// Anthropic's words. The tokens of the prompt leave out those that the cache saw.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<Value>,
    output_tokens_details: Option<Output>,
    /// What is not known here, for the client.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What the tokens of an answer were spent on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Output {
    thinking_tokens: Option<u64>,
}

/// OpenAI's words.
#[derive(Debug, Serialize)]
pub(crate) struct Told<'a> {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: Prompt<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<Completion>,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(flatten)]
    others: Option<&'a Map<String, Value>>,
}

#[derive(Debug, Serialize)]
struct Prompt<'a> {
    cached_tokens: u64,
    cache_creation_tokens: u64,
    cache_write_tokens: u64,
    text_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation_token_details: Option<&'a Value>,
}

#[derive(Debug, Serialize)]
struct Completion {
    reasoning_tokens: u64,
    text_tokens: u64,
}

impl Usage {
    /// Takes over what a later word says; counts are totals, not additions.
    pub(crate) fn update(&mut self, later: Self) {
        let update = |mine: &mut Option<u64>, later: Option<u64>| *mine = later.or(*mine);
        update(&mut self.input_tokens, later.input_tokens);
        update(&mut self.output_tokens, later.output_tokens);
        update(
            &mut self.cache_creation_input_tokens,
            later.cache_creation_input_tokens,
        );
        update(
            &mut self.cache_read_input_tokens,
            later.cache_read_input_tokens,
        );
        if later.cache_creation.is_some() {
            self.cache_creation = later.cache_creation;
        }
        if later.output_tokens_details.is_some() {
            self.output_tokens_details = later.output_tokens_details;
        }
    }

    /// Puts an estimate in the place of what was not told.
    pub(crate) fn fill(&mut self, estimate: Estimate) {
        self.input_tokens.get_or_insert(estimate.prompt_tokens);
        self.output_tokens.get_or_insert(estimate.completion_tokens);
    }

    /// Returns the usage with all that was told; `thought` says whether there are thoughts in the answer.
    pub(crate) fn told(&self, thought: bool) -> Told<'_> {
        let mut told = self.counts(thought);
        told.others = Some(&self.others);
        told
    }

    /// Returns the usage without what is not known here.
    pub(crate) fn counts(&self, thought: bool) -> Told<'_> {
        let created = self.cache_creation_input_tokens.unwrap_or_default();
        let read = self.cache_read_input_tokens.unwrap_or_default();
        let completion_tokens = self.output_tokens.unwrap_or_default();
        let prompt_tokens = self.prompt().unwrap_or_default();
        Told {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: Prompt {
                cached_tokens: read,
                cache_creation_tokens: created,
                cache_write_tokens: created,
                text_tokens: self.input_tokens.unwrap_or_default(),
                cache_creation_token_details: self
                    .cache_creation
                    .as_ref()
                    .filter(|it| !it.is_null()),
            },
            completion_tokens_details: self.completion(thought),
            cache_creation_input_tokens: created,
            cache_read_input_tokens: read,
            others: None,
        }
    }

    /// What the tokens of the answer were spent on: without thoughts all on the rest, else as far as it was told.
    fn completion(&self, thought: bool) -> Option<Completion> {
        let details = self.output_tokens_details.as_ref();
        let told = details.and_then(|details| details.thinking_tokens);
        let reasoning_tokens = told.or((!thought).then_some(0))?;
        let text_tokens = self.output_tokens?.saturating_sub(reasoning_tokens);
        Some(Completion {
            reasoning_tokens,
            text_tokens,
        })
    }

    pub(crate) fn record(&self, meter: Option<&Meter>) {
        if let Some(meter) = meter {
            meter.record(self.prompt(), self.output_tokens);
        }
    }

    /// All tokens of the prompt, those that the cache saw too.
    fn prompt(&self) -> Option<u64> {
        let cached = [
            self.cache_creation_input_tokens,
            self.cache_read_input_tokens,
        ];
        let cached = cached.into_iter().flatten().fold(0, u64::saturating_add);
        self.input_tokens.map(|input| input.saturating_add(cached))
    }
}

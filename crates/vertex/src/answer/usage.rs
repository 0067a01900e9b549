//! Usage, in OpenAI's words.

use serde::Serialize;
use ziggurat_core::Meter;

use super::wire::{Counts, Share};

#[derive(Serialize)]
pub(super) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u64>,
}

#[derive(Default, PartialEq, Serialize)]
struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video_tokens: Option<u64>,
}

impl Usage {
    /// Google counts what it read from its cache into the prompt, as OpenAI does, but not thoughts into the answer.
    pub(super) fn of(counts: &Counts) -> Self {
        let prompt = counts.prompt_token_count.unwrap_or_default();
        let completion = completion(counts);
        let cached = counts.cached_content_token_count.filter(|&count| count > 0);
        let mut read = Details::of(&counts.prompt_tokens_details, &counts.cache_tokens_details);
        read.cached_tokens = cached;
        let mut written = Details::of(&counts.candidates_tokens_details, &[]);
        written.reasoning_tokens = counts.thoughts_token_count;
        let filled = |details: Details| (details != Details::default()).then_some(details);
        Self {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: counts
                .total_token_count
                .unwrap_or_else(|| prompt.saturating_add(completion)),
            prompt_tokens_details: filled(read),
            completion_tokens_details: filled(written),
            cache_read_input_tokens: cached,
        }
    }

    /// What is told of an answer that was held back.
    pub(super) fn without_details(mut self) -> Self {
        self.prompt_tokens_details = None;
        self.completion_tokens_details = None;
        self
    }
}

impl Details {
    /// The tokens of each kind, without those that came from the cache.
    fn of(shares: &[Share], cached: &[Share]) -> Self {
        let sum = |shares: &[Share], modality: &str| {
            let mut of_kind = shares
                .iter()
                .filter(|share| share.modality == modality)
                .peekable();
            of_kind.peek()?;
            Some(of_kind.fold(0, |sum: u64, share| sum.saturating_add(share.token_count)))
        };
        let fresh = |modality| {
            let all = sum(shares, modality)?;
            Some(all.saturating_sub(sum(cached, modality).unwrap_or_default()))
        };
        Self {
            cached_tokens: None,
            reasoning_tokens: None,
            text_tokens: fresh("TEXT"),
            audio_tokens: fresh("AUDIO"),
            image_tokens: fresh("IMAGE"),
            video_tokens: fresh("VIDEO"),
        }
    }
}

fn completion(counts: &Counts) -> u64 {
    let [said, thought] = [counts.candidates_token_count, counts.thoughts_token_count];
    said.unwrap_or_default()
        .saturating_add(thought.unwrap_or_default())
}

/// Says whether counts tell anything: pieces of streams have some that only name the traffic's type.
pub(super) fn tells(counts: &Counts) -> bool {
    counts.prompt_token_count.is_some() || counts.candidates_token_count.is_some()
}

/// Writes the counts where others wait for them.
pub(super) fn record(meter: Option<&Meter>, counts: &Counts) {
    if let Some(meter) = meter
        && tells(counts)
    {
        meter.record(counts.prompt_token_count, Some(completion(counts)));
    }
}

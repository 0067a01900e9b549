//! Google's answers, as they come.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::text::JsonText;

/// A text that borrows also where it is optional.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A whole answer, or a piece of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Generated<'a> {
    #[serde(borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    pub(super) prompt_feedback: Option<Feedback>,
    pub(super) usage_metadata: Option<Counts>,
    #[serde(borrow)]
    pub(super) model_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) response_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

impl Generated<'_> {
    /// Whether it is an error in place of an answer. Some servers send an empty one beside each answer.
    pub(super) fn is_error(&self) -> bool {
        let error = self
            .error
            .map_or(&b"null"[..], |error| error.get().as_bytes());
        match error {
            b"null" | b"false" | b"0" | b"\"\"" => false,
            [b'{', inside @ .., b'}'] | [b'[', inside @ .., b']'] => {
                !inside.trim_ascii().is_empty()
            }
            _ => true,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feedback {
    pub(super) block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) index: Option<u32>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    pub(super) finish_reason: Option<String>,
    pub(super) logprobs_result: Option<Logprobs>,
    #[serde(borrow)]
    pub(super) grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) url_context_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) citation_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) safety_ratings: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    pub(super) text: Option<JsonText<'a>>,
    pub(super) thought: Option<bool>,
    #[serde(borrow)]
    pub(super) thought_signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) function_call: Option<Call<'a>>,
    #[serde(borrow)]
    pub(super) inline_data: Option<Blob<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    #[serde(borrow)]
    pub(super) mime_type: Text<'a>,
    #[serde(borrow)]
    pub(super) data: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logprobs {
    #[serde(default)]
    pub(super) chosen_candidates: Vec<Chosen>,
    #[serde(default)]
    pub(super) top_candidates: Vec<Tops>,
}

#[derive(Deserialize)]
pub(super) struct Tops {
    #[serde(default)]
    pub(super) candidates: Vec<Chosen>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chosen {
    #[serde(default)]
    pub(super) token: String,
    #[serde(default, deserialize_with = "log_probability")]
    pub(super) log_probability: f64,
}

/// OpenAI's word for the probability of a token that is very unlikely, where JSON has no number for it.
const UNLIKELY: f64 = -9999.0;

/// Reads a number as the JSON of protocol buffers has it: also as a text, and `"-Infinity"`. One that is not finite, or
/// none at all, is no reason to lose the answer.
fn log_probability<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let Some(json) = Option::<&'de RawValue>::deserialize(deserializer)? else {
        return Ok(0.0);
    };
    let number = json.get().trim_matches('"').parse().ok();
    Ok(number
        .filter(|number: &f64| number.is_finite())
        .unwrap_or(UNLIKELY))
}

/// Counts of tokens.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    pub(super) prompt_token_count: Option<u64>,
    pub(super) candidates_token_count: Option<u64>,
    pub(super) thoughts_token_count: Option<u64>,
    pub(super) total_token_count: Option<u64>,
    pub(super) cached_content_token_count: Option<u64>,
    #[serde(default)]
    pub(super) prompt_tokens_details: Vec<Share>,
    #[serde(default)]
    pub(super) candidates_tokens_details: Vec<Share>,
    #[serde(default)]
    pub(super) cache_tokens_details: Vec<Share>,
}

/// The tokens of one kind of data.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Share {
    #[serde(default)]
    pub(super) modality: String,
    #[serde(default)]
    pub(super) token_count: u64,
}

//! Why an answer ended.

use serde_json::value::RawValue;
use ziggurat_core::{Failure, json};
use ziggurat_provider::reason::check;

/// Returns Anthropic's word for OpenAI's.
pub(super) fn anthropic(openai: &str, calls_tools: bool) -> &'static str {
    match openai {
        "length" => "max_tokens",
        "content_filter" => "refusal",
        _ if calls_tools => "tool_use",
        _ => "end_turn",
    }
}

/// Reads OpenAI's, as JSON; `None` if it says nothing.
///
/// # Errors
///
/// It is one of those of answers that broke off, for which Anthropic has no word.
pub(super) fn read(openai: Option<&RawValue>) -> Result<Option<String>, Failure> {
    let said = openai.filter(|reason| json::is_said(reason.get()));
    let Some(said) = said.map(RawValue::get) else {
        return Ok(None);
    };
    check(said)?;
    Ok(serde_json::from_str(said).ok())
}

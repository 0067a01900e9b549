//! Why an answer ended.

use serde_json::value::RawValue;
use ziggurat_core::{Failure, FailureKind, json};

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
    let reason = said.and_then(|reason| serde_json::from_str::<String>(reason.get()).ok());
    match reason.as_deref() {
        Some(broke @ ("error" | "abort")) => {
            let message = format!("the upstream's answer ended with the reason `{broke}`");
            Err(Failure::new(FailureKind::Server).with_message(message))
        }
        _ => Ok(reason),
    }
}

//! Why an answer ended.

use ziggurat_core::{Failure, FailureKind};

/// Returns Anthropic's word for OpenAI's.
pub(super) fn anthropic(openai: &str, calls_tools: bool) -> &'static str {
    match openai {
        "length" => "max_tokens",
        "content_filter" => "refusal",
        _ if calls_tools => "tool_use",
        _ => "end_turn",
    }
}

/// Refuses the reasons of answers that broke off, for which Anthropic has no word.
pub(super) fn check(openai: &str) -> Result<(), Failure> {
    match openai {
        "error" | "abort" => {
            let message = format!("the upstream's answer ended with the reason `{openai}`");
            Err(Failure::new(FailureKind::Server).with_message(message))
        }
        _ => Ok(()),
    }
}

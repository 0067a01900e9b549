//! Finish reasons that servers report in words of their own.

/// Returns OpenAI's word for a server's, or `None` if it is one of OpenAI's already or not known.
pub(crate) fn openai(native: &str) -> Option<&'static str> {
    Some(match native {
        "eos" | "eos_token" | "end_turn" | "stop_sequence" | "STOP" | "COMPLETE" => "stop",
        "max_tokens" | "MAX_TOKENS" => "length",
        "tool_use" => "tool_calls",
        "content_filtered" | "refusal" | "SAFETY" | "RECITATION" => "content_filter",
        _ => return None,
    })
}

//! Why an answer ended.

/// Returns OpenAI's word for Anthropic's.
pub(crate) fn openai(native: &str) -> &'static str {
    match native {
        "max_tokens" | "model_context_window_exceeded" | "compaction" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        // `end_turn`, `stop_sequence`, `pause_turn`, and what is not known yet.
        _ => "stop",
    }
}

//! Why an answer ended.

/// Returns Anthropic's word for OpenAI's.
pub(super) fn anthropic(openai: &str, calls_tools: bool) -> &'static str {
    match openai {
        "length" => "max_tokens",
        "content_filter" => "refusal",
        _ if calls_tools => "tool_use",
        _ => "end_turn",
    }
}

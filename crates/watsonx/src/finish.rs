//! Why answers end.

use ziggurat_core::Failure;
use ziggurat_provider::reason;

/// Returns OpenAI's word for watsonx's; `calls_tools` if the answer calls tools.
///
/// # Errors
///
/// The answer broke off.
pub(crate) fn openai(native: &str, calls_tools: bool) -> Result<&'static str, Failure> {
    reason::check(native)?;
    Ok(match native {
        "length" | "max_tokens" | "MAX_TOKENS" | "time_limit" | "token_limit" => "length",
        "content_filter" | "content_filtered" | "refusal" => "content_filter",
        "function_call" => "function_call",
        "tool_calls" | "tool_use" => "tool_calls",
        _ if calls_tools => "tool_calls",
        _ => "stop",
    })
}

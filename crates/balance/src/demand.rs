use http::Extensions;
use ziggurat_core::LlmRequest;

/// The usual length of a token of English text, in bytes.
const BYTES_PER_TOKEN: u64 = 4;

/// Estimates the tokens of a request without reading its text: a quarter of the prompt's bytes, and as many as the answer
/// may have if the request says so. Nothing is known without an [`LlmRequest`].
pub(crate) fn tokens(extensions: &Extensions) -> u64 {
    let Some(request) = extensions.get::<LlmRequest>() else {
        return 0;
    };
    let document = request.document();
    let prompt = ["messages", "prompt", "input"]
        .into_iter()
        .find_map(|name| document.get(name));
    let bytes = prompt.map_or(document.raw().len(), |prompt| prompt.as_bytes().len());
    let answer = ["max_completion_tokens", "max_tokens"]
        .into_iter()
        .find_map(|name| document.get(name)?.decode::<u64>().ok());
    let prompt = u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_TOKEN;
    prompt.saturating_add(answer.unwrap_or(0))
}

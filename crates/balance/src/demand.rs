use http::Extensions;
use ziggurat_core::LlmRequest;

/// The usual length of a token of English text, in bytes.
const BYTES_PER_TOKEN: u64 = 4;

/// Estimates the tokens of a request without reading its text: those of the prompt, and as many as the answer may have
/// if the request says so.
pub(crate) fn tokens(extensions: &Extensions) -> u64 {
    let answer = extensions.get::<LlmRequest>().and_then(|request| {
        ["max_completion_tokens", "max_tokens"]
            .into_iter()
            .find_map(|name| request.document().get(name)?.decode::<u64>().ok())
    });
    prompt(extensions).saturating_add(answer.unwrap_or(0))
}

/// Estimates the tokens of a prompt: a quarter of its bytes. Nothing is known without an [`LlmRequest`].
pub(crate) fn prompt(extensions: &Extensions) -> u64 {
    let Some(request) = extensions.get::<LlmRequest>() else {
        return 0;
    };
    let document = request.document();
    let prompt = ["messages", "prompt", "input"]
        .into_iter()
        .find_map(|name| document.get(name));
    let bytes = prompt.map_or(document.raw().len(), |prompt| prompt.as_bytes().len());
    u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_TOKEN
}

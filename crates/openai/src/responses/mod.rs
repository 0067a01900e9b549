//! OpenAI's Responses: requests pass, and so do their answers.

mod exchange;
mod stream;

use bytes::Bytes;
use ziggurat_core::{Failure, JsonBody, json};
use ziggurat_provider::{
    Call,
    params::{self, refusal},
};

pub(crate) use self::exchange::Reply;
use crate::template::Template;

/// What the deployment's own parameters are called here; `None` for those that only chat has.
const NAMES: [(&str, Option<&str>); 24] = [
    ("audio", None),
    ("frequency_penalty", None),
    ("function_call", None),
    ("functions", None),
    ("logit_bias", None),
    ("logprobs", None),
    ("max_completion_tokens", Some("max_output_tokens")),
    ("max_tokens", Some("max_output_tokens")),
    ("messages", None),
    ("modalities", None),
    ("n", None),
    ("prediction", None),
    ("presence_penalty", None),
    ("reasoning_effort", None),
    ("response_format", None),
    ("seed", None),
    ("stop", None),
    ("stream_options", None),
    ("thinking", None),
    ("tool_choice", None),
    ("tools", None),
    ("top_k", None),
    ("verbosity", None),
    ("web_search_options", None),
];

/// Makes the body for the upstream: the client's own, with the model's name.
///
/// # Errors
///
/// A response in the background, which could only be fetched from the upstream that keeps it.
pub(crate) fn body(template: &Template, call: Call<'_>) -> Result<JsonBody, Failure> {
    let mut body = params::body(call, &[]);
    for (name, value) in &template.defaults {
        let (name, value) = match &**name {
            "reasoning_effort" => ("reasoning", effort(value)),
            name => match own_name(name) {
                Some(name) => (name, value.clone()),
                None => continue,
            },
        };
        if !body.contains(name) {
            body.set(name.to_owned(), value);
        }
    }
    if body.get("background") == Some(b"true") {
        let message = "`background` cannot be served: responses are not kept here";
        return Err(refusal("background", message));
    }
    body.set("model", template.model_json.clone());
    Ok(body)
}

fn own_name(name: &str) -> Option<&str> {
    match NAMES.iter().find(|(chat, _)| *chat == name) {
        Some((_, own)) => *own,
        None => Some(name),
    }
}

fn effort(effort: &[u8]) -> Bytes {
    [b"{\"effort\":", effort, b"}"].concat().into()
}

/// Whether a value is the same text as another, as JSON.
fn is_text(value: Option<json::Value<'_>>, text: &str) -> bool {
    value.and_then(json::Value::as_str).as_deref() == Some(text)
}

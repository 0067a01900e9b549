//! A chat request, fitted to what watsonx takes.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::params::{self, Permits, refusal};

use crate::{messages, tools};

/// An object whose values are not looked into.
pub(crate) type Object = BTreeMap<String, Box<RawValue>>;

/// Parameters of OpenAI that watsonx does not take.
const REFUSED: &[&str] = &[
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "modalities",
    "parallel_tool_calls",
    "prediction",
    "service_tier",
    "verbosity",
    "web_search_options",
];

/// Those that say nothing about the answer: left out in silence.
pub(crate) const LEFT_OUT: &[&str] = &[
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "stream_options",
    "user",
];

/// Fits a request.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names all parameters that are not taken.
pub(crate) fn fit(body: &mut JsonBody, permits: &Permits<'_>, model: &str) -> Result<(), Failure> {
    rename_max_tokens(body);
    leave_out(body);
    refuse(body, REFUSED, permits, model)?;
    tools::fit(body)?;
    if let Some(messages) = messages::fit(body.get("messages").unwrap_or(b"[]"))? {
        body.set("messages", messages);
    }
    Ok(())
}

/// The newer name counts if both are there, as it does with OpenAI.
pub(crate) fn rename_max_tokens(body: &mut JsonBody) {
    let Some(limit) = body.get("max_completion_tokens") else {
        return;
    };
    if limit != b"null" {
        let limit = Bytes::copy_from_slice(limit);
        body.set("max_tokens", limit);
    }
    body.remove("max_completion_tokens");
}

pub(crate) fn leave_out(body: &mut JsonBody) {
    for name in LEFT_OUT {
        if body.contains(name) {
            body.remove(*name);
        }
    }
}

/// Refuses parameters, or leaves them out. Some say nothing.
pub(crate) fn refuse(
    body: &mut JsonBody,
    names: &[&'static str],
    permits: &Permits<'_>,
    model: &str,
) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for &name in names {
        match body.get(name) {
            None => {}
            Some(_) if permits.allow(name) => {}
            Some(value) if says_nothing(name, value) || permits.drop() => body.remove(name),
            Some(_) => refused.push(name),
        }
    }
    let Some(first) = refused.first() else {
        return Ok(());
    };
    let message = format!(
        "{model} on watsonx does not support: {}; set drop_params to leave them out",
        refused.join(", ")
    );
    Err(refusal(first, message))
}

/// Whether a parameter asks for what is so without it.
fn says_nothing(name: &str, value: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    match name {
        _ if value == b"null" => true,
        "parallel_tool_calls" => value == b"true",
        "reasoning_effort" => value == br#""none""#,
        "response_format" => {
            serde_json::from_slice(value).is_ok_and(|format: Format<'_>| format.kind == "text")
        }
        "tool_choice" => matches!(value, br#""auto""# | br#""none""#),
        "tools" => serde_json::from_slice(value).is_ok_and(|tools: [(); 0]| tools.is_empty()),
        _ => params::asks_for_nothing(name, value),
    }
}

/// Takes a text that is JSON as a value.
pub(crate) fn raw(json: String) -> Option<Box<RawValue>> {
    RawValue::from_string(json).ok()
}

pub(crate) fn print(value: &impl serde::Serialize) -> Option<Bytes> {
    serde_json::to_vec(value).ok().map(Bytes::from)
}

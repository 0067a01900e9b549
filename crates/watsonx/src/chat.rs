//! A chat request, fitted to what watsonx takes.

use std::{collections::BTreeMap, sync::LazyLock};

use bytes::Bytes;
use memchr::memmem::Finder;
use serde_json::value::RawValue;
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::params::{Permits, refusal};

use crate::tools;

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
    if let Some(tools) = body.get("tools").and_then(tools::fit) {
        body.set("tools", tools);
    }
    choose_tool(body);
    if let Some(messages) = body.get("messages").and_then(messages) {
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

/// Refuses parameters, or leaves them out. Null says nothing.
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
            Some(value) if value == b"null" || permits.drop() => body.remove(name),
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

/// Words have a member of their own. Without tools there is nothing to choose.
fn choose_tool(body: &mut JsonBody) {
    let Some(choice) = body.get("tool_choice").map(Bytes::copy_from_slice) else {
        return;
    };
    let has_tools = body.get("tools").is_some_and(|tools| tools.contains(&b'{'));
    if choice.starts_with(b"\"") || !has_tools {
        body.remove("tool_choice");
    }
    if choice.starts_with(b"\"") && has_tools {
        body.set("tool_choice_option", choice);
    }
}

struct Needles {
    developer: Finder<'static>,
    image: Finder<'static>,
}

static NEEDLES: LazyLock<Needles> = LazyLock::new(|| Needles {
    developer: Finder::new("developer"),
    image: Finder::new("image_url"),
});

/// Gives developers' messages the role that watsonx knows, and images their full form; `None` if nothing changes.
fn messages(text: &[u8]) -> Option<Bytes> {
    if NEEDLES.developer.find(text).is_none() && NEEDLES.image.find(text).is_none() {
        return None;
    }
    let mut messages: Vec<Object> = serde_json::from_slice(text).ok()?;
    let mut changed = false;
    for message in &mut messages {
        let role = message.get("role").map(|role| role.get());
        if role == Some(r#""developer""#) {
            message.insert("role".to_owned(), raw(r#""system""#.to_owned())?);
            changed = true;
        }
        if let Some(content) = message.get("content").and_then(|content| parts(content)) {
            message.insert("content".to_owned(), content);
            changed = true;
        }
    }
    changed.then(|| print(&messages)).flatten()
}

/// Makes objects of images that are given as URLs alone.
fn parts(content: &RawValue) -> Option<Box<RawValue>> {
    if !content.get().starts_with('[') {
        return None;
    }
    let mut parts: Vec<Object> = serde_json::from_str(content.get()).ok()?;
    let mut changed = false;
    for part in &mut parts {
        let Some(image) = part.get("image_url").map(|image| image.get()) else {
            continue;
        };
        let image = match image.starts_with('"') {
            true => format!(r#"{{"url":{image}}}"#),
            false => {
                let mut object: Object = serde_json::from_str(image).ok()?;
                if object.remove("format").is_none() {
                    continue;
                }
                serde_json::to_string(&object).ok()?
            }
        };
        part.insert("image_url".to_owned(), raw(image)?);
        changed = true;
    }
    changed
        .then(|| raw(serde_json::to_string(&parts).ok()?))
        .flatten()
}

/// Takes a text that is JSON as a value.
pub(crate) fn raw(json: String) -> Option<Box<RawValue>> {
    RawValue::from_string(json).ok()
}

pub(crate) fn print(value: &impl serde::Serialize) -> Option<Bytes> {
    serde_json::to_vec(value).ok().map(Bytes::from)
}

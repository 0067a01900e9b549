//! The events of Anthropic's streams.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_provider::sse;

#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(crate) kind: Cow<'a, str>,
    pub(crate) index: Option<u64>,
    #[serde(borrow)]
    pub(crate) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) delta: Option<Delta<'a>>,
    #[serde(borrow)]
    pub(crate) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Start<'a> {
    pub(crate) model: Option<String>,
    #[serde(borrow)]
    pub(crate) usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) partial_json: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) signature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) citation: Option<&'a RawValue>,
    pub(crate) stop_reason: Option<String>,
    pub(crate) stop_sequence: Option<String>,
}

/// The text of a value that is a string.
pub(crate) fn string(json: Option<&RawValue>) -> Option<&str> {
    json.map(RawValue::get).filter(|json| json.starts_with('"'))
}

/// Whether an event bears no name, or only the one that all have that bear none.
pub(crate) fn is_nameless(event: sse::Event<'_>) -> bool {
    event.name().is_none_or(|name| name == b"message")
}

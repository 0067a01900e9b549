//! Blocks of messages, as Anthropic writes them, and what OpenAI has in their place.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ziggurat_core::Failure;
use ziggurat_provider::params::refusal;

use crate::object::raw;

/// A block.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    // Another thing in blocks of other kinds.
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) signature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) cache_control: Option<&'a RawValue>,
}

/// Where the bytes of an image or a document are.
#[derive(Deserialize)]
struct Source<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    media_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
}

/// A part of a message in OpenAI's words.
#[derive(Serialize)]
pub(super) struct Part<'a> {
    #[serde(flatten)]
    kind: Kind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Kind<'a> {
    Text { text: &'a RawValue },
    ImageUrl { image_url: Url },
    File { file: File<'a> },
}

#[derive(Serialize)]
struct Url {
    url: Box<RawValue>,
}

#[derive(Serialize)]
struct File<'a> {
    filename: Cow<'a, str>,
    file_data: Box<RawValue>,
}

/// Reads a content: `Ok` the text of a string, `Err` the blocks of a list.
pub(super) fn content<'a>(
    content: &'a RawValue,
    place: &str,
) -> Result<Result<&'a RawValue, Vec<&'a RawValue>>, Failure> {
    if content.get().starts_with('"') {
        return Ok(Ok(content));
    }
    let blocks = serde_json::from_str(content.get());
    let fault = |_| fault(place, "is neither a text nor a list of blocks");
    blocks.map(Err).map_err(fault)
}

pub(super) fn read<'a>(block: &'a RawValue, place: &str) -> Result<Block<'a>, Failure> {
    serde_json::from_str(block.get()).map_err(|_| fault(place, "is no block that can be read"))
}

/// The failure of a part of the prompt; `place` begins with the member of the request.
pub(super) fn fault(place: &str, problem: &str) -> Failure {
    let param = place.split('.').next().unwrap_or(place);
    refusal(param, format!("`{place}` {problem}"))
}

// === impl Source ===

impl<'a> Source<'a> {
    fn of(json: &'a RawValue) -> Option<Self> {
        serde_json::from_str(json.get()).ok()
    }

    /// The data as a URL; `None` if there are none. They are not decoded.
    fn data_url(&self, otherwise: &str) -> Option<Box<RawValue>> {
        let data = self.data.map(RawValue::get)?;
        let data = data.strip_prefix('"')?;
        let media_type = self.media_type.as_deref().unwrap_or(otherwise);
        let media_type = serde_json::Value::from(media_type).to_string();
        let before = media_type.trim_matches('"');
        Some(raw(format!(r#""data:{before};base64,{data}"#)))
    }
}

// === impl Block ===

impl<'a> Block<'a> {
    /// Makes a part of a text, an image or a document.
    pub(super) fn part(self, place: &str, own_words: bool) -> Result<Part<'a>, Failure> {
        let no_words = || Err(fault(place, "can only be served by Anthropic"));
        let is_text = |data: &&RawValue| data.get().starts_with('"');
        let source = self.source.and_then(Source::of);
        let kind = match (&*self.kind, source.as_ref().map(|source| &*source.kind)) {
            ("text", _) => match self.text.filter(is_text) {
                Some(text) => Kind::Text { text },
                None => return Err(fault(place, "has no text")),
            },
            ("image" | "document", Some("base64")) => {
                let is_image = self.kind == "image";
                let otherwise = if is_image {
                    "image/png"
                } else {
                    "application/pdf"
                };
                let url = source.and_then(|source| source.data_url(otherwise));
                let url = url.ok_or_else(|| fault(place, "has no data"))?;
                match is_image {
                    true => Kind::ImageUrl {
                        image_url: Url { url },
                    },
                    false => Kind::File {
                        file: File {
                            filename: self.title.unwrap_or(Cow::Borrowed("document.pdf")),
                            file_data: url,
                        },
                    },
                }
            }
            ("image", Some("url")) => match source.and_then(|source| source.url).filter(is_text) {
                Some(url) => Kind::ImageUrl {
                    image_url: Url {
                        url: url.to_owned(),
                    },
                },
                None => return Err(fault(place, "has no url")),
            },
            // A document that is text.
            ("document", Some("text")) => {
                match source.and_then(|source| source.data).filter(is_text) {
                    Some(text) => Kind::Text { text },
                    None => return Err(fault(place, "has no data")),
                }
            }
            _ => return no_words(),
        };
        Ok(Part {
            kind,
            cache_control: self.cache_control.filter(|_| own_words),
        })
    }
}

// === impl Part ===

impl<'a> Part<'a> {
    /// The text, if it is nothing but one.
    pub(super) fn as_text(&self) -> Option<&'a RawValue> {
        match self.kind {
            Kind::Text { text } if self.cache_control.is_none() => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text { .. })
    }
}

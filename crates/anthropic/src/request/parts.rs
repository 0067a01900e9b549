//! The parts of a message's content.

use std::borrow::Cow;

use serde_json::value::RawValue;
use ziggurat_core::Failure;
use ziggurat_provider::{is_base64, params::refusal};

use super::{
    input::{File, ImageUrl, Part},
    wire::{Block, Kind, Source, Text},
};

/// Parts in Anthropic's own words; results of its own tools have names that end alike.
const NATIVE: &[&str] = &[
    "container_upload",
    "document",
    "image",
    "mcp_tool_use",
    "search_result",
    "server_tool_use",
    "tool_reference",
    "tool_result",
    "tool_use",
];
const NATIVE_RESULT: &str = "_tool_result";

/// Images that Anthropic takes.
const IMAGES: &[&str] = &["image/gif", "image/jpeg", "image/png", "image/webp"];

/// Reads a content: a text, or a list of parts. `at` is its place in the request.
pub(super) fn blocks<'a>(content: &'a RawValue, at: &str) -> Result<Vec<Block<'a>>, Failure> {
    if is_string(content) {
        let text = Text::Raw(content);
        return Ok(vec![Block::of(Kind::Text { text })]);
    }
    let parts: Result<Vec<&RawValue>, _> = serde_json::from_str(content.get());
    let parts = parts.map_err(|_| invalid(at, "is neither a text nor a list of parts"))?;
    let parts = parts.into_iter().enumerate();
    parts
        .map(|(index, part)| block(part, &format!("{at}[{index}]")))
        .collect()
}

fn block<'a>(raw: &'a RawValue, at: &str) -> Result<Block<'a>, Failure> {
    let part: Part<'_> =
        serde_json::from_str(raw.get()).map_err(|_| invalid(at, "is no part of a content"))?;
    let kind = match (&*part.kind, &part) {
        (
            "text" | "input_text" | "output_text",
            Part {
                text: Some(text), ..
            },
        )
        | (
            "refusal",
            Part {
                refusal: Some(text),
                ..
            },
        ) if is_string(text) => {
            let text = Text::Raw(text);
            Kind::Text { text }
        }
        (
            "image_url",
            Part {
                image_url: Some(image),
                ..
            },
        ) => image_of(image, at)?,
        (
            "file",
            Part {
                file: Some(file), ..
            },
        ) => document(file, at)?,
        ("text" | "input_text" | "output_text" | "refusal" | "image_url" | "file", _) => {
            return Err(invalid(at, &format!("lacks its `{}`", part.kind)));
        }
        ("image" | "document", Part { source: None, .. }) => {
            return Err(invalid(at, "lacks its `source`"));
        }
        ("thinking" | "redacted_thinking", _) => return Ok(Block::Thought(Cow::Borrowed(raw))),
        (kind, _) if NATIVE.contains(&kind) || kind.ends_with(NATIVE_RESULT) => {
            return Ok(Block::Native(raw));
        }
        (kind, _) => {
            let kind: String = kind.chars().take(40).collect();
            let what = format!("is of type `{kind}`, which Anthropic does not take");
            return Err(invalid(at, &what));
        }
    };
    Ok(Block::of(kind).cached(part.cache_control))
}

fn image_of<'a>(image: &'a RawValue, at: &str) -> Result<Kind<'a>, Failure> {
    let url: Cow<'a, str> = match is_string(image) {
        true => text(image).ok_or_else(|| invalid(at, "has no URL"))?,
        false => {
            let image: Result<ImageUrl<'a>, _> = serde_json::from_str(image.get());
            image.map_err(|_| invalid(at, "has no URL"))?.url
        }
    };
    if is_https(&url) {
        let source = Source::Url { url };
        return Ok(Kind::Image { source });
    }
    inline(url, None, at)
}

fn document<'a>(file: &File<'a>, at: &str) -> Result<Kind<'a>, Failure> {
    if !file.filename.is_none_or(is_string) {
        return Err(invalid(at, "has a `filename` that is no text"));
    }
    if let Some(data) = file.file_data {
        let url = text(data).ok_or_else(|| invalid(at, "has no data"))?;
        return inline(url, file.filename, at);
    }
    let Some(id) = file.file_id.clone() else {
        return Err(invalid(at, "has neither `file_data` nor `file_id`"));
    };
    let source = if is_https(&id) {
        Source::Url { url: id.into() }
    } else {
        Source::File { file_id: id }
    };
    let title = file.filename;
    Ok(Kind::Document { source, title })
}

/// Reads a data URL of an image or a PDF.
fn inline<'a>(
    url: Cow<'a, str>,
    title: Option<&'a RawValue>,
    at: &str,
) -> Result<Kind<'a>, Failure> {
    const WANTED: &str =
        "has no https:// URL and no data: URL in base64, and Anthropic takes no other";
    let (head, data) = match url {
        Cow::Borrowed(url) => {
            let (head, data) = url.split_once(',').ok_or_else(|| invalid(at, WANTED))?;
            (Cow::Borrowed(head), Cow::Borrowed(data))
        }
        Cow::Owned(url) => {
            let (head, data) = url.split_once(',').ok_or_else(|| invalid(at, WANTED))?;
            (head.to_owned().into(), data.to_owned().into())
        }
    };
    let media = head
        .strip_prefix("data:")
        .and_then(|head| head.strip_suffix(";base64"))
        .ok_or_else(|| invalid(at, WANTED))?;
    let media = media
        .split(';')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let media = match &*media {
        // Not a registered name, but a frequent one.
        "image/jpg" => "image/jpeg".to_owned(),
        _ => media,
    };
    let is_pdf = media == "application/pdf";
    if !is_pdf && !IMAGES.contains(&&*media) {
        return Err(invalid(
            at,
            "is neither an image that Anthropic takes nor a PDF",
        ));
    }
    if !is_base64(&data) {
        return Err(invalid(at, "has data that is no base64"));
    }
    let media_type = media.into();
    let source = Source::Base64 { media_type, data };
    Ok(match is_pdf {
        true => Kind::Document { source, title },
        false => Kind::Image { source },
    })
}

pub(super) fn is_string(json: &RawValue) -> bool {
    json.get().starts_with('"')
}

/// The failure of a part of the request that Anthropic has no words for.
pub(super) fn invalid(at: &str, what: &str) -> Failure {
    refusal(at, format!("{at} {what}"))
}

/// Reads a string, without a copy if it has no escapes.
fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    let inside = json.get().strip_prefix('"')?.strip_suffix('"')?;
    match memchr::memchr(b'\\', inside.as_bytes()) {
        None => Some(Cow::Borrowed(inside)),
        Some(_) => crate::object::string(json).map(Cow::Owned),
    }
}

fn is_https(url: &str) -> bool {
    url.get(..8)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

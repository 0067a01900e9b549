//! What messages are made of: texts, images, sounds, documents.

use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::Failure;
use ziggurat_provider::params::{self, refusal};

use super::{
    media,
    messages::Text,
    parts::{Data, Part},
};
use crate::{Face, text::JsonText};

/// What a message may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    All,
    Text,
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<JsonText<'a>>,
    #[serde(borrow)]
    refusal: Option<JsonText<'a>>,
    #[serde(borrow, alias = "video_url")]
    image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    input_audio: Option<Audio<'a>>,
    #[serde(borrow)]
    file: Option<File<'a>>,
}

#[derive(Deserialize)]
struct Linked<'a> {
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow)]
    format: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Audio<'a> {
    #[serde(borrow)]
    data: Text<'a>,
    format: String,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    file_data: Option<Text<'a>>,
    #[serde(borrow)]
    file_id: Option<Text<'a>>,
    #[serde(borrow)]
    format: Option<Text<'a>>,
}

/// Reads the content of a message: a text, or a list of parts. Empty texts are left out, since Google refuses them.
pub(super) fn read<'a>(
    content: Option<&'a RawValue>,
    path: &str,
    takes: Takes,
    face: Face,
) -> Result<Vec<Part<'a>>, Failure> {
    let Some(content) = content else {
        return Ok(Vec::new());
    };
    if let Some(text) = JsonText::of(content) {
        let part = (!text.is_empty()).then(|| Part::text(text));
        return Ok(part.into_iter().collect());
    }
    let (raw, path) = (content.get(), format!("{path}.content"));
    if !raw.starts_with('[') {
        let message = format!("{path} is neither a text nor a list of parts");
        return Err(refusal(&path, message));
    }
    let pieces: Vec<Piece<'a>> = params::list(raw.as_bytes(), &path)?;
    let mut parts = Vec::with_capacity(pieces.len());
    for (at, piece) in pieces.into_iter().enumerate() {
        let part = match part(piece, face) {
            Ok(Some(part)) if takes == Takes::Text && !part.is_text() => {
                Err("a message of this role holds text alone")
            }
            part => part,
        };
        let part = part.map_err(|problem| {
            let path = format!("{path}[{at}]");
            refusal(&path, format!("{path}: {problem}"))
        })?;
        parts.extend(part);
    }
    Ok(parts)
}

fn part(piece: Piece<'_>, face: Face) -> Result<Option<Part<'_>>, &'static str> {
    let kind = piece.kind.as_ref().map(|kind| &*kind.0);
    let data = match kind {
        Some("text" | "input_text" | "output_text") | None => {
            let text = piece.text.ok_or("its text is missing")?;
            return Ok((!text.is_empty()).then(|| Part::text(text)));
        }
        Some("refusal") => {
            let text = piece.refusal.or(piece.text);
            let text = text.ok_or("its refusal is missing")?;
            return Ok((!text.is_empty()).then(|| Part::text(text)));
        }
        Some("image_url" | "video_url") => {
            let linked = piece.image_url.ok_or("its URL is missing")?.get();
            let (url, kind) = match serde_json::from_str::<Linked<'_>>(linked) {
                Ok(linked) => (linked.url, linked.format),
                Err(_) => {
                    let url = serde_json::from_str(linked).map_err(|_| "its URL is no text")?;
                    (url, None)
                }
            };
            media::of_url(url.0, kind.map(|kind| kind.0), face)?
        }
        Some("input_audio") => {
            let audio = piece.input_audio.ok_or("its data is missing")?;
            media::of_sound(audio.data.0, &audio.format)?
        }
        Some("file") => {
            let file = piece.file.ok_or("its file is missing")?;
            let url = file
                .file_data
                .or(file.file_id)
                .ok_or("its file is missing")?;
            media::of_url(url.0, file.format.map(|kind| kind.0), face)?
        }
        // What a model thought is not told to it again.
        Some("thinking" | "redacted_thinking") => return Ok(None),
        Some(_) => return Err("Gemini models take no parts of this type"),
    };
    Ok(Some(data.into()))
}

/// Joins the texts of parts; others are left out.
pub(super) fn joined(parts: Vec<Part<'_>>) -> Option<JsonText<'_>> {
    let texts = parts.into_iter().filter_map(|part| match part.data {
        Data::Text(text) => Some(text),
        _ => None,
    });
    JsonText::concat(texts.collect())
}

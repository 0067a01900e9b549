//! Parts of messages: texts, images, documents.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use ziggurat_core::Failure;

use super::{
    Text, refusal,
    wire::{Block, Media, Source},
};

/// A text that is borrowed if it can be.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Borrowed<'a>(#[serde(borrow)] pub(super) Text<'a>);

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Option<Borrowed<'a>>,
    #[serde(borrow)]
    refusal: Option<Borrowed<'a>>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    file: Option<File<'a>>,
    cache_control: Option<Value>,
}

#[derive(Deserialize)]
struct ImageUrl<'a> {
    #[serde(borrow)]
    url: Text<'a>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    file_data: Option<Borrowed<'a>>,
    #[serde(borrow)]
    filename: Option<Borrowed<'a>>,
}

/// Reads the content of a message into blocks. Texts without words are left out: Bedrock refuses them.
pub(super) fn read<'a>(
    content: Option<&'a RawValue>,
    path: &str,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), Failure> {
    let Some(content) = content else {
        return Ok(());
    };
    let invalid = || {
        refusal(
            "messages",
            format!("{path} is neither text nor a list of parts"),
        )
    };
    match content.get().as_bytes().first() {
        Some(b'n') => Ok(()),
        Some(b'"') => {
            let text: Borrowed<'a> = serde_json::from_str(content.get()).map_err(|_| invalid())?;
            push_text(text.0, blocks);
            Ok(())
        }
        Some(b'[') => {
            let parts: Vec<Part<'a>> =
                serde_json::from_str(content.get()).map_err(|_| invalid())?;
            for (at, part) in parts.into_iter().enumerate() {
                let is_cached = part.cache_control.is_some();
                self::part(part, &format!("{path}[{at}]"), blocks)?;
                if is_cached && !blocks.is_empty() {
                    blocks.push(Block::cache_point());
                }
            }
            Ok(())
        }
        _ => Err(invalid()),
    }
}

fn push_text<'a>(text: Text<'a>, blocks: &mut Vec<Block<'a>>) {
    if !text.trim().is_empty() {
        blocks.push(Block::Text(text));
    }
}

fn part<'a>(part: Part<'a>, path: &str, blocks: &mut Vec<Block<'a>>) -> Result<(), Failure> {
    let missing = |name: &str| refusal("messages", format!("{path} has no {name}"));
    match &*part.kind {
        "text" => push_text(part.text.ok_or_else(|| missing("text"))?.0, blocks),
        "refusal" => push_text(part.refusal.ok_or_else(|| missing("refusal"))?.0, blocks),
        "image_url" => {
            let image = part.image_url.ok_or_else(|| missing("image_url"))?;
            let invalid = |_| refusal("messages", format!("{path}.image_url has no url"));
            let url = match image.get().starts_with('"') {
                true => {
                    serde_json::from_str::<Borrowed<'a>>(image.get())
                        .map_err(invalid)?
                        .0
                }
                false => {
                    serde_json::from_str::<ImageUrl<'a>>(image.get())
                        .map_err(invalid)?
                        .url
                }
            };
            blocks.push(inline(url, None, &format!("{path}.image_url"))?);
        }
        "file" => {
            let file = part.file.ok_or_else(|| missing("file"))?;
            let Some(data) = file.file_data else {
                let message = format!("{path}.file: Bedrock takes files inline only, as file_data");
                return Err(refusal("messages", message));
            };
            let name = file.filename.as_ref().map(|name| &*name.0);
            blocks.push(inline(data.0, name, &format!("{path}.file"))?);
        }
        other => {
            let known: String = other.chars().take(40).collect();
            let message = format!("{path}: Bedrock takes no part of type {known}");
            return Err(refusal("messages", message));
        }
    }
    Ok(())
}

/// Makes a block of a data URL.
fn inline<'a>(url: Text<'a>, name: Option<&str>, path: &str) -> Result<Block<'a>, Failure> {
    let Some((media, data)) = data_url(&url) else {
        let message = format!(
            "{path}: Bedrock takes images and files inline only; send a data URL in base64"
        );
        return Err(refusal("messages", message));
    };
    let (start, media) = (data, media.to_ascii_lowercase());
    let image = image_format(&media);
    let Some(format) = image.or_else(|| document_format(&media)) else {
        let message = format!("{path}: Bedrock takes neither images nor documents of this type");
        return Err(refusal("messages", message));
    };
    let bytes = match url {
        Text::Borrowed(url) => Text::Borrowed(&url[start..]),
        Text::Owned(mut url) => Text::Owned(url.split_off(start)),
    };
    let media = Media {
        format,
        name: image.is_none().then(|| document_name(name, format)),
        source: Source { bytes },
    };
    Ok(match image {
        Some(_) => Block::Image(media),
        None => Block::Document(media),
    })
}

/// The type in a data URL, and where its base64 starts.
fn data_url(url: &str) -> Option<(&str, usize)> {
    let head = url.get(..5)?;
    let comma = url.find(',')?;
    let media = url[..comma].get(5..)?.strip_suffix(";base64")?;
    let media = media.split(';').next()?;
    head.eq_ignore_ascii_case("data:")
        .then_some((media, comma + 1))
}

fn image_format(media: &str) -> Option<&'static str> {
    Some(match media {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return None,
    })
}

fn document_format(media: &str) -> Option<&'static str> {
    Some(match media {
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "text/html" => "html",
        "text/plain" => "txt",
        "text/markdown" => "md",
        _ => return None,
    })
}

/// A name as Bedrock takes it: letters, digits, single spaces, hyphens, parentheses and brackets.
fn document_name(name: Option<&str>, format: &str) -> String {
    let name = name.unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let one = |char: char| match char {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '(' | ')' | '[' | ']' => char,
        _ => ' ',
    };
    let clean: String = stem.chars().take(200).map(one).collect();
    let words: Vec<&str> = clean.split_whitespace().collect();
    match words.is_empty() {
        true => format!("document {format}"),
        false => words.join(" "),
    }
}

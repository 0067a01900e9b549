//! Parts of messages: texts, images, documents, thoughts.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use ziggurat_core::Failure;
use ziggurat_provider::is_base64;

use super::{
    Text, invalid, refusal,
    wire::{Block, Media, Reasoning, ReasoningText, Source},
};
use crate::model::Route;

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
    #[serde(borrow)]
    thinking: Option<Borrowed<'a>>,
    #[serde(borrow)]
    signature: Option<Borrowed<'a>>,
    #[serde(borrow)]
    data: Option<Borrowed<'a>>,
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

/// What a model thought.
#[derive(Deserialize)]
pub(super) struct Thinking<'a> {
    #[serde(borrow)]
    thinking: Option<Borrowed<'a>>,
    #[serde(borrow)]
    signature: Option<Borrowed<'a>>,
    #[serde(borrow)]
    data: Option<Borrowed<'a>>,
}

/// Reads the content of a message into blocks. Texts without words are left out: Bedrock refuses them.
pub(super) fn read<'a>(
    content: Option<&'a RawValue>,
    path: &str,
    route: Route,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), Failure> {
    each(content, path, blocks, |it, path, blocks| {
        part(it, path, route, blocks)
    })
}

/// Reads the content of instructions, which are nothing but text.
pub(super) fn read_text<'a>(
    content: Option<&'a RawValue>,
    path: &str,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), Failure> {
    each(content, path, blocks, |part, path, blocks| {
        match &*part.kind {
            "text" => text(part, path, blocks),
            _ => Err(invalid(
                path,
                "is no text, and instructions have nothing else",
            )),
        }
    })
}

/// Reads a text, or one part after the other.
fn each<'a>(
    content: Option<&'a RawValue>,
    path: &str,
    blocks: &mut Vec<Block<'a>>,
    read: impl Fn(Part<'a>, &str, &mut Vec<Block<'a>>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(content) = content else {
        return Ok(());
    };
    let fault = || invalid(path, "is neither text nor a list of parts");
    if content.get().starts_with('"') {
        let text: Borrowed<'a> = serde_json::from_str(content.get()).map_err(|_| fault())?;
        push_text(text.0, blocks);
        return Ok(());
    }
    let parts: Vec<&RawValue> = serde_json::from_str(content.get()).map_err(|_| fault())?;
    for (at, part) in parts.into_iter().enumerate() {
        let path = format!("{path}[{at}]");
        let part: Result<Part<'a>, _> = serde_json::from_str(part.get());
        let part = part.map_err(|_| invalid(&path, "is no part of a content"))?;
        let is_cached = part.cache_control.is_some();
        read(part, &path, blocks)?;
        if is_cached && !blocks.is_empty() {
            blocks.push(Block::cache_point());
        }
    }
    Ok(())
}

pub(super) fn push_text<'a>(text: Text<'a>, blocks: &mut Vec<Block<'a>>) {
    if !text.trim().is_empty() {
        blocks.push(Block::Text(text));
    }
}

fn text<'a>(part: Part<'a>, path: &str, blocks: &mut Vec<Block<'a>>) -> Result<(), Failure> {
    let text = part.text.ok_or_else(|| invalid(path, "has no text"))?;
    push_text(text.0, blocks);
    Ok(())
}

fn part<'a>(
    part: Part<'a>,
    path: &str,
    route: Route,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), Failure> {
    let missing = |name: &str| invalid(path, &format!("has no {name}"));
    match &*part.kind {
        "text" => text(part, path, blocks)?,
        "refusal" => push_text(part.refusal.ok_or_else(|| missing("refusal"))?.0, blocks),
        "thinking" | "redacted_thinking" => {
            let thought = Thinking {
                thinking: part.thinking,
                signature: part.signature,
                data: part.data,
            };
            blocks.push(thought.block().ok_or_else(|| missing(&part.kind))?);
        }
        "image_url" => {
            let image = part.image_url.ok_or_else(|| missing("image_url"))?;
            let fault = |_| refusal(path, format!("{path}.image_url has no url"));
            let url = match image.get().starts_with('"') {
                true => {
                    serde_json::from_str::<Borrowed<'a>>(image.get())
                        .map_err(fault)?
                        .0
                }
                false => {
                    serde_json::from_str::<ImageUrl<'a>>(image.get())
                        .map_err(fault)?
                        .url
                }
            };
            blocks.push(inline(url, None, path, "image_url", route)?);
        }
        "file" => {
            let file = part.file.ok_or_else(|| missing("file"))?;
            let Some(data) = file.file_data else {
                let message = format!("{path}.file: Bedrock takes files inline only, as file_data");
                return Err(refusal(path, message));
            };
            let name = file.filename.as_ref().map(|name| &*name.0);
            blocks.push(inline(data.0, name, path, "file", route)?);
        }
        other => {
            let known: String = other.chars().take(40).collect();
            let message = format!("{path}: Bedrock takes no part of type {known}");
            return Err(refusal(path, message));
        }
    }
    Ok(())
}

/// Makes a block of a data URL, which is the `member` of the part at `path`.
fn inline<'a>(
    url: Text<'a>,
    name: Option<&str>,
    path: &str,
    member: &str,
    route: Route,
) -> Result<Block<'a>, Failure> {
    let fault = |what: &str| Err(refusal(path, format!("{path}.{member}: {what}")));
    let Some((media, start)) = data_url(&url) else {
        return fault("Bedrock takes images and files inline only; send a data URL in base64");
    };
    let media = media.to_ascii_lowercase();
    let image = image_format(&media);
    let Some(format) = image.or_else(|| document_format(&media)) else {
        return fault("Bedrock takes neither images nor documents of this type");
    };
    if route == Route::Invoke && image.is_none() && format != "pdf" {
        return fault("invoke/ takes no documents but PDF");
    }
    if !is_base64(&url[start..]) {
        return fault("what it carries is no base64");
    }
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

impl<'a> Thinking<'a> {
    /// Whether the model that thought it can know it again.
    pub(super) fn is_signed(&self) -> bool {
        let signature = self.signature.as_ref();
        self.thinking.is_none() || signature.is_some_and(|signature| !signature.0.is_empty())
    }

    /// What the model thought, as it wants it back; `None` if it is not to be sent again.
    pub(super) fn block(self) -> Option<Block<'a>> {
        let reasoning = match (self.thinking, self.data) {
            (Some(text), _) => Reasoning::ReasoningText(ReasoningText {
                text: text.0,
                signature: self.signature.map(|signature| signature.0),
            }),
            (None, Some(data)) => Reasoning::RedactedContent(data.0),
            (None, None) => return None,
        };
        Some(Block::ReasoningContent(reasoning))
    }
}

//! The messages of a chat: checked, and fitted where watsonx writes them otherwise.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::Failure;
use ziggurat_provider::{
    is_base64,
    params::{self, refusal},
};

use crate::chat::{Object, print, raw};

/// Who may speak; `control` is watsonx's own.
const ROLES: [&str; 6] = [
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "control",
];

/// A text that borrows also where it is optional.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// What has to be known of a message.
#[derive(Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub(crate) role: Text<'a>,
    #[serde(borrow)]
    pub(crate) content: Option<&'a RawValue>,
    /// What a model said in place of an answer.
    #[serde(borrow)]
    pub(crate) refusal: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) tool_calls: Option<&'a RawValue>,
}

/// A part of a message.
#[derive(Deserialize)]
pub(crate) struct Piece<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) refusal: Option<Text<'a>>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Image<'a> {
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Called<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
}

/// Reads the messages of a request.
pub(crate) fn read(text: &[u8]) -> Result<Vec<Message<'_>>, Failure> {
    let messages: Vec<Message<'_>> = params::list(text, "messages")?;
    match messages.is_empty() {
        true => Err(refusal("messages", "messages must not be empty")),
        false => Ok(messages),
    }
}

/// Fits messages: gives developers the role that watsonx knows, images their full form, refusals that of texts. `None` if
/// nothing changes.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names what watsonx has nothing like.
pub(crate) fn fit(text: &[u8]) -> Result<Option<Bytes>, Failure> {
    let mut changes = false;
    for (at, message) in read(text)?.iter().enumerate() {
        let path = format!("messages[{at}]");
        changes |= check(message, &path)?;
    }
    if !changes {
        return Ok(None);
    }
    let mut messages: Vec<Object> = params::list(text, "messages")?;
    for message in &mut messages {
        rewrite(message);
    }
    Ok(print(&messages))
}

/// Says whether a message has to be changed.
fn check(message: &Message<'_>, path: &str) -> Result<bool, Failure> {
    let role = &*message.role.0;
    if !ROLES.contains(&role) {
        let path = format!("{path}.role");
        return Err(refusal(
            &path,
            format!("{path} is none that watsonx has: {}", ROLES.join(", ")),
        ));
    }
    if let Some(calls) = message.tool_calls {
        let path = format!("{path}.tool_calls");
        let calls: Vec<Called<'_>> = params::list(calls.get().as_bytes(), &path)?;
        let is_other = |call: &Called<'_>| call.kind.as_ref().is_some_and(|it| it.0 != "function");
        if let Some(at) = calls.iter().position(is_other) {
            let path = format!("{path}[{at}]");
            return Err(refusal(&path, format!("{path} is no call of a function")));
        }
    }
    let mut changes = role == "developer";
    let takes_text = matches!(role, "system" | "developer");
    for (at, piece) in pieces(message, path)?.iter().enumerate() {
        let change = match look(piece) {
            Ok(_) if takes_text && piece.image_url.is_some() => {
                Err("a message of this role holds text alone")
            }
            change => change,
        };
        changes |= change.map_err(|problem| {
            let path = format!("{path}.content[{at}]");
            refusal(&path, format!("{path}: {problem}"))
        })?;
    }
    Ok(changes)
}

/// The parts of a message's content; none if it is a text.
pub(crate) fn pieces<'a>(message: &Message<'a>, path: &str) -> Result<Vec<Piece<'a>>, Failure> {
    let path = || format!("{path}.content");
    match message.content.map(|content| content.get()) {
        Some(list) if list.starts_with('[') => params::list(list.as_bytes(), &path()),
        Some(text) if !text.starts_with('"') => {
            let path = path();
            let message = format!("{path} is neither a text nor a list of parts");
            Err(refusal(&path, message))
        }
        _ => Ok(Vec::new()),
    }
}

/// Says whether a part has to be changed.
fn look(piece: &Piece<'_>) -> Result<bool, &'static str> {
    match piece.kind.as_ref().map(|kind| &*kind.0) {
        Some("text") | None => match piece.text {
            Some(_) => Ok(false),
            None => Err("its text is missing"),
        },
        Some("refusal") => match piece.refusal.is_some() || piece.text.is_some() {
            true => Ok(true),
            false => Err("its refusal is missing"),
        },
        Some("image_url") => {
            let image = piece.image_url.ok_or("its URL is missing")?.get();
            if image.starts_with('"') {
                let url: Text<'_> =
                    serde_json::from_str(image).map_err(|_| "its URL is no text")?;
                return data(&url.0).map(|()| true);
            }
            let image: Image<'_> = serde_json::from_str(image).map_err(|_| "its URL is missing")?;
            data(&image.url.0).map(|()| image.format.is_some())
        }
        Some("video_url" | "input_audio") => Ok(false),
        Some(_) => Err("watsonx takes no parts of this type"),
    }
}

/// Looks at what a data URL carries.
fn data(url: &str) -> Result<(), &'static str> {
    let Some(rest) = url.strip_prefix("data:") else {
        return Ok(());
    };
    match rest.split_once(";base64,") {
        Some((_, data)) if is_base64(data) => Ok(()),
        _ => Err("not a data URL in base64"),
    }
}

fn rewrite(message: &mut Object) {
    let role = message.get("role").map(|role| role.get());
    if role == Some(r#""developer""#)
        && let Some(system) = raw(r#""system""#.to_owned())
    {
        message.insert("role".to_owned(), system);
    }
    if let Some(content) = message.get("content").and_then(|content| parts(content)) {
        message.insert("content".to_owned(), content);
    }
}

/// Makes objects of images that are given as URLs alone, and texts of refusals.
fn parts(content: &RawValue) -> Option<Box<RawValue>> {
    let mut parts: Vec<Object> = serde_json::from_str(content.get()).ok()?;
    for part in &mut parts {
        if part.get("type").map(|kind| kind.get()) == Some(r#""refusal""#) {
            let text = part.remove("refusal").or_else(|| part.remove("text"))?;
            part.insert("type".to_owned(), raw(r#""text""#.to_owned())?);
            part.insert("text".to_owned(), text);
        }
        let Some(image) = part.get("image_url").map(|image| image.get()) else {
            continue;
        };
        let image = match image.starts_with('"') {
            true => format!(r#"{{"url":{image}}}"#),
            false => {
                let mut object: Object = serde_json::from_str(image).ok()?;
                object.remove("format");
                serde_json::to_string(&object).ok()?
            }
        };
        part.insert("image_url".to_owned(), raw(image)?);
    }
    raw(serde_json::to_string(&parts).ok()?)
}

//! Conversations.

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;
use serde_json::{json, value::RawValue};
use ziggurat_core::Failure;
use ziggurat_provider::params::refusal;

use super::{
    media,
    parts::{Content, Data, Part},
};
use crate::{Face, model::Generation, template::Template};

/// What separates an id that we made from the signature of the thoughts before the call.
pub(crate) const SIGNATURE: &str = "__thought__";

/// Takes the place of a signature that is not known, in Google's own words.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

pub(super) struct Conversation<'a> {
    pub(super) contents: Vec<Content<'a>>,
    pub(super) system: Vec<Part<'a>>,
}

/// A text that borrows also where it is optional.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Message<'a> {
    role: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
    #[serde(borrow)]
    tool_call_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    function: Function<'a>,
    #[serde(borrow)]
    provider_specific_fields: Option<Specific<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    provider_specific_fields: Option<Specific<'a>>,
}

#[derive(Deserialize)]
struct Specific<'a> {
    #[serde(borrow)]
    thought_signature: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
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

/// Reads the messages of a request.
pub(super) fn read<'a>(raw: &'a [u8], template: &Template) -> Result<Conversation<'a>, Failure> {
    let messages: Vec<Message<'a>> = serde_json::from_slice(raw).map_err(|error| {
        let message = format!("messages cannot be read (column {})", error.column());
        refusal("messages", message)
    })?;
    let mut reader = Reader {
        face: template.face,
        needs_signature: template.model.generation == Generation::Three,
        names: HashMap::new(),
        out: Conversation {
            contents: Vec::new(),
            system: Vec::new(),
        },
    };
    for (at, message) in messages.into_iter().enumerate() {
        reader.message(message, &format!("messages[{at}]"))?;
    }
    Ok(reader.finish())
}

struct Reader<'a> {
    face: Face,
    needs_signature: bool,
    /// The functions that were called, by the ids of the calls.
    names: HashMap<String, Cow<'a, str>>,
    out: Conversation<'a>,
}

impl<'a> Reader<'a> {
    fn message(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        match &*message.role {
            "system" | "developer" => self.system(&message, path),
            "user" => {
                let parts = self.parts(message.content, path)?;
                self.turn("user", false, parts);
                Ok(())
            }
            "assistant" => self.assistant(message, path),
            "tool" | "function" => self.result(message, path),
            _ => {
                let path = format!("{path}.role");
                let message = format!("{path} is none of system, developer, user, assistant, tool");
                Err(refusal(&path, message))
            }
        }
    }

    fn system(&mut self, message: &Message<'a>, path: &str) -> Result<(), Failure> {
        let parts = self.parts(message.content, path)?;
        let text = joined(parts)
            .ok_or_else(|| refusal(path, format!("{path}.content: a system message is text")))?;
        if !text.is_empty() {
            self.out.system.push(Part::text(text));
        }
        Ok(())
    }

    fn assistant(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        let mut parts = self.parts(message.content, path)?;
        let mut is_first = true;
        for (at, call) in message.tool_calls.into_iter().flatten().enumerate() {
            let path = format!("{path}.tool_calls[{at}]");
            let id = call.id.map(|id| id.0);
            let specific = [
                call.provider_specific_fields,
                call.function.provider_specific_fields,
            ];
            let said = specific
                .into_iter()
                .flatten()
                .find_map(|it| it.thought_signature);
            let in_id = || {
                let (_, signature) = id.as_deref()?.split_once(SIGNATURE)?;
                Some(Cow::Owned(signature.to_owned()))
            };
            let signature = said.map(|text| text.0).or_else(in_id);
            // Of calls at once, only the first has one.
            let stand_in = (self.needs_signature && is_first).then_some(NO_SIGNATURE.into());
            is_first = false;
            if let Some(id) = &id {
                let name = call.function.name.0.clone();
                self.names.insert(bare(id).to_owned(), name);
            }
            parts.push(Part {
                data: Data::FunctionCall {
                    name: call.function.name.0,
                    args: arguments(call.function.arguments, &path)?,
                },
                signature: signature.or(stand_in),
            });
        }
        if let Some(function) = message.function_call {
            let args = arguments(function.arguments, &format!("{path}.function_call"))?;
            let name = function.name.0;
            parts.push(Data::FunctionCall { name, args }.into());
        }
        self.turn("model", false, parts);
        Ok(())
    }

    fn result(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        let id = message.tool_call_id.map(|id| id.0);
        let called = id
            .as_deref()
            .and_then(|id| self.names.get(bare(id)).cloned());
        let name = called.or_else(|| message.name.map(|name| name.0));
        let name = name.ok_or_else(|| {
            let path = format!("{path}.tool_call_id");
            let message = format!("{path} names no call of an earlier message");
            refusal(&path, message)
        })?;
        let parts = self.parts(message.content, path)?;
        let (texts, media): (Vec<_>, Vec<_>) = parts.into_iter().partition(Part::is_text);
        let response = response(&joined(texts).unwrap_or_default());
        let result = Data::FunctionResponse { name, response }.into();
        let parts = std::iter::once(result).chain(media).collect();
        self.turn("user", true, parts);
        Ok(())
    }

    /// Adds a turn, or to the last one if that is of the same kind.
    fn turn(&mut self, role: &'static str, has_results: bool, mut parts: Vec<Part<'a>>) {
        match self.out.contents.last_mut() {
            Some(last) if last.role == role && last.has_results == has_results => {
                last.parts.append(&mut parts);
            }
            _ if parts.is_empty() && role == "model" => {}
            _ => self.out.contents.push(Content {
                role,
                parts,
                has_results,
            }),
        }
    }

    /// Reads the content of a message: a text, or a list of parts. Empty texts are left out, since Google refuses them.
    fn parts(&self, content: Option<&'a RawValue>, path: &str) -> Result<Vec<Part<'a>>, Failure> {
        let raw = content.map_or("null", RawValue::get);
        let path = format!("{path}.content");
        let invalid = || {
            refusal(
                &path,
                format!("{path} is neither a text nor a list of parts"),
            )
        };
        if raw.starts_with('"') {
            let text: Text<'a> = serde_json::from_str(raw).map_err(|_| invalid())?;
            let parts = (!text.0.is_empty()).then(|| Part::text(text.0));
            return Ok(parts.into_iter().collect());
        }
        let pieces: Option<Vec<Piece<'a>>> = serde_json::from_str(raw).map_err(|_| invalid())?;
        let mut parts = Vec::new();
        for (at, piece) in pieces.into_iter().flatten().enumerate() {
            let path = format!("{path}[{at}]");
            let part = self.part(piece);
            let part = part.map_err(|problem| refusal(&path, format!("{path}: {problem}")))?;
            parts.extend(part);
        }
        Ok(parts)
    }

    fn part(&self, piece: Piece<'a>) -> Result<Option<Part<'a>>, &'static str> {
        let data = match piece.kind.as_deref() {
            Some("text" | "input_text" | "refusal") | None => {
                let text = piece.text.map(|text| text.0).unwrap_or_default();
                return Ok((!text.is_empty()).then(|| Part::text(text)));
            }
            Some("image_url" | "video_url") => {
                let linked = piece.image_url.ok_or("its URL is missing")?.get();
                let (url, kind) = match serde_json::from_str::<Linked<'a>>(linked) {
                    Ok(linked) => (linked.url, linked.format),
                    Err(_) => {
                        let url = serde_json::from_str(linked).map_err(|_| "its URL is no text")?;
                        (url, None)
                    }
                };
                media::of_url(url.0, kind.map(|kind| kind.0), self.face)?
            }
            Some("input_audio") => {
                let audio = piece.input_audio.ok_or("its data is missing")?;
                Data::Inline {
                    mime_type: media::of_sound(&audio.format),
                    data: audio.data.0,
                }
            }
            Some("file") => {
                let file = piece.file.ok_or("its file is missing")?;
                let url = file
                    .file_data
                    .or(file.file_id)
                    .ok_or("its file is missing")?;
                media::of_url(url.0, file.format.map(|kind| kind.0), self.face)?
            }
            Some("thinking" | "redacted_thinking") => return Ok(None),
            Some(_) => return Err("Gemini models take no parts of this type"),
        };
        Ok(Some(data.into()))
    }

    /// Makes the conversation one that Google takes: with a turn of the user's, and a text in each.
    fn finish(mut self) -> Conversation<'a> {
        const BLANK: &str = " ";
        let contents = &mut self.out.contents;
        for content in contents.iter_mut() {
            let needs_text = content.role == "user" && !content.has_results;
            if needs_text && !content.parts.iter().any(Part::is_text) {
                content.parts.push(Part::text(BLANK));
            }
        }
        if !contents.iter().any(|content| content.role == "user") {
            contents.push(Content {
                role: "user",
                parts: vec![Part::text(BLANK)],
                has_results: false,
            });
        }
        self.out
    }
}

/// The id of a call, without the signature that rides on it.
fn bare(id: &str) -> &str {
    id.split_once(SIGNATURE).map_or(id, |(id, _)| id)
}

/// The texts of parts as one; `None` if others are among them.
fn joined(mut parts: Vec<Part<'_>>) -> Option<Cow<'_, str>> {
    if !parts.iter().all(Part::is_text) {
        return None;
    }
    let mut texts = parts.drain(..).filter_map(|part| match part.data {
        Data::Text(text) => Some(text),
        _ => None,
    });
    let first = texts.next().unwrap_or_default();
    Some(texts.fold(first, |mut all, text| {
        all.to_mut().push_str(&text);
        all
    }))
}

/// The arguments of a call, as an object: OpenAI's clients send them as text.
fn arguments(raw: Option<&RawValue>, path: &str) -> Result<Box<RawValue>, Failure> {
    let invalid = || {
        let path = format!("{path}.arguments");
        let message = format!("{path} are no JSON object");
        refusal(&path, message)
    };
    let raw = raw.map_or("{}", RawValue::get);
    let text: Cow<'_, str> = match raw.starts_with('"') {
        true => {
            serde_json::from_str::<Text<'_>>(raw)
                .map_err(|_| invalid())?
                .0
        }
        false => raw.into(),
    };
    let text = match text.trim() {
        "" | "null" => "{}",
        text => text,
    };
    object(text).ok_or_else(invalid)
}

/// The result of a function, as an object.
fn response(text: &str) -> Box<RawValue> {
    object(text.trim()).unwrap_or_else(|| {
        let response = json!({"content": text});
        serde_json::value::to_raw_value(&response).expect("our own object is JSON")
    })
}

fn object(text: &str) -> Option<Box<RawValue>> {
    let raw: &RawValue = text
        .starts_with('{')
        .then(|| serde_json::from_str(text).ok())??;
    Some(raw.to_owned())
}

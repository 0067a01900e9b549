//! Turns of a conversation, from Anthropic's words into OpenAI's.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ziggurat_core::Failure;

use super::{
    block::{self, Part, fault},
    request::parsed,
};
use crate::object::raw;

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
}

/// A message in OpenAI's words.
#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(super) enum Message<'a> {
    System {
        content: Content<'a>,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        content: Option<Cow<'a, RawValue>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        thinking_blocks: Vec<&'a RawValue>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
        /// Whether it is the beginning of the answer. Some go on from one only if it says so.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        prefix: bool,
    },
    Tool {
        tool_call_id: &'a RawValue,
        content: Content<'a>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(&'a RawValue),
    Parts(Vec<Part<'a>>),
    Nothing(&'static str),
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
    id: &'a RawValue,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a RawValue,
    /// JSON as text.
    arguments: &'a str,
}

/// Makes the messages of a conversation.
pub(super) fn read<'a>(
    system: Option<&'a [u8]>,
    messages: Option<&'a [u8]>,
    own_words: bool,
) -> Result<Vec<Message<'a>>, Failure> {
    let mut out = Vec::new();
    if let Some(system) = system {
        let content = prose(parsed("system", system)?, "system", own_words)?;
        if !matches!(content, Content::Nothing(_)) {
            out.push(Message::System { content });
        }
    }
    let turns: Vec<Turn<'_>> = parsed("messages", messages.unwrap_or(b"[]"))?;
    for (at, turn) in turns.into_iter().enumerate() {
        let place = format!("messages.{at}.content");
        match &*turn.role {
            "user" => user(turn.content, &place, own_words, &mut out)?,
            "assistant" => out.push(assistant(turn.content, &place, own_words)?),
            "system" => out.push(Message::System {
                content: prose(turn.content, &place, own_words)?,
            }),
            _ => {
                return Err(fault(
                    &format!("messages.{at}.role"),
                    "is not one that is known",
                ));
            }
        }
    }
    Ok(out)
}

/// Says of a last message of the assistant that it is the beginning of the answer.
pub(super) fn prefill(messages: &mut [Message<'_>]) {
    if let Some(Message::Assistant { prefix, .. }) = messages.last_mut() {
        *prefix = true;
    }
}

/// Reads what may only be text.
fn prose<'a>(content: &'a RawValue, place: &str, own_words: bool) -> Result<Content<'a>, Failure> {
    let blocks = match block::content(content, place)? {
        Ok(text) => return Ok(Content::Text(text)),
        Err(blocks) => blocks,
    };
    let parts = blocks.into_iter().enumerate().map(|(at, block)| {
        let place = format!("{place}.{at}");
        let part = block::read(block, &place)?.part(&place, own_words)?;
        match part.is_text() {
            true => Ok(part),
            false => Err(fault(&place, "is no text")),
        }
    });
    Ok(joined(parts.collect::<Result<_, _>>()?))
}

/// One text needs no list.
fn joined(parts: Vec<Part<'_>>) -> Content<'_> {
    match &parts[..] {
        [] => Content::Nothing(""),
        [part] => match part.as_text() {
            Some(text) => Content::Text(text),
            None => Content::Parts(parts),
        },
        _ => Content::Parts(parts),
    }
}

/// A turn of the user: results of tools are messages of their own, and go first.
fn user<'a>(
    content: &'a RawValue,
    place: &str,
    own_words: bool,
    out: &mut Vec<Message<'a>>,
) -> Result<(), Failure> {
    let blocks = match block::content(content, place)? {
        Ok(text) => {
            let content = Content::Text(text);
            out.push(Message::User { content });
            return Ok(());
        }
        Err(blocks) => blocks,
    };
    let mut parts = Vec::new();
    let is_empty = blocks.is_empty();
    for (at, block) in blocks.into_iter().enumerate() {
        let place = format!("{place}.{at}");
        let block = block::read(block, &place)?;
        if block.kind != "tool_result" {
            parts.push(block.part(&place, own_words)?);
            continue;
        }
        let Some(tool_call_id) = block.tool_use_id else {
            return Err(fault(&place, "has no tool_use_id"));
        };
        let content = result(block.content, &place, own_words, &mut parts)?;
        out.push(Message::Tool {
            tool_call_id,
            content,
        });
    }
    if !parts.is_empty() || is_empty {
        let content = joined(parts);
        out.push(Message::User { content });
    }
    Ok(())
}

/// What a tool returned. OpenAI takes but text there: images and documents are shown by the user after it.
fn result<'a>(
    content: Option<&'a RawValue>,
    place: &str,
    own_words: bool,
    shown: &mut Vec<Part<'a>>,
) -> Result<Content<'a>, Failure> {
    let Some(content) = content.filter(|content| content.get() != "null") else {
        return Ok(Content::Nothing(""));
    };
    let blocks = match block::content(content, place)? {
        Ok(text) => return Ok(Content::Text(text)),
        Err(blocks) => blocks,
    };
    let mut parts = Vec::new();
    for (at, block) in blocks.into_iter().enumerate() {
        let place = format!("{place}.content.{at}");
        let part = block::read(block, &place)?.part(&place, own_words)?;
        match part.is_text() {
            true => parts.push(part),
            false => shown.push(part),
        }
    }
    Ok(joined(parts))
}

fn assistant<'a>(
    content: &'a RawValue,
    place: &str,
    own_words: bool,
) -> Result<Message<'a>, Failure> {
    let (mut texts, mut thinking_blocks, mut tool_calls) = (Vec::new(), Vec::new(), Vec::new());
    let blocks = match block::content(content, place)? {
        Ok(text) => {
            texts.push(text);
            Vec::new()
        }
        Err(blocks) => blocks,
    };
    for (at, json) in blocks.into_iter().enumerate() {
        let place = format!("{place}.{at}");
        let block = block::read(json, &place)?;
        match &*block.kind {
            "text" => texts.extend(block.text.filter(|text| text.get().starts_with('"'))),
            // Thoughts that nobody signed are of no use to anyone but their model, which has none back.
            "thinking" if own_words && block.signature.is_some_and(|it| it.get() != "\"\"") => {
                thinking_blocks.push(json);
            }
            "redacted_thinking" if own_words => thinking_blocks.push(json),
            "thinking" | "redacted_thinking" => {}
            "tool_use" => match (block.id, block.name) {
                (Some(id), Some(name)) => tool_calls.push(Call {
                    id,
                    kind: "function",
                    function: Function {
                        name,
                        arguments: block.input.map_or("{}", RawValue::get),
                    },
                }),
                _ => return Err(fault(&place, "has no id or no name")),
            },
            _ => return Err(fault(&place, "can only be served by Anthropic")),
        }
    }
    let content = match &texts[..] {
        [] if tool_calls.is_empty() => Some(Cow::Owned(raw("\"\"".to_owned()))),
        [] => None,
        [text] => Some(Cow::Borrowed(*text)),
        texts => {
            let inside = texts
                .iter()
                .map(|text| &text.get()[1..text.get().len() - 1]);
            let inside: String = inside.collect();
            Some(Cow::Owned(raw(format!("\"{inside}\""))))
        }
    };
    Ok(Message::Assistant {
        content,
        thinking_blocks,
        tool_calls,
        prefix: false,
    })
}

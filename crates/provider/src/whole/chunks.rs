//! Chunks of a chat completion, or of the completion of a text.

use std::borrow::Cow;

use bytes::Bytes;
use ziggurat_core::{
    Failure, JsonBody,
    json::{Document, Value},
};

use super::{given, invalid, line, object};
use crate::sse::DONE_EVENT;

/// Makes a chunk of each choice, and one of the usage if that is wanted and told.
pub(super) fn events(answer: &Document, is_chat: bool, usage: bool) -> Result<Bytes, Failure> {
    let mut chunk = JsonBody::new(answer.clone());
    chunk.remove("usage");
    if is_chat {
        chunk.set("object", &b"\"chat.completion.chunk\""[..]);
    }
    let mut out = Vec::with_capacity(answer.raw().len());
    let mut write = |chunk: &JsonBody| {
        out.extend_from_slice(b"data: ");
        line(&chunk.to_bytes(), &mut out);
        out.extend_from_slice(b"\n\n");
    };
    let choices = answer.get("choices").and_then(Value::elements);
    let choices = choices.ok_or_else(|| invalid("the upstream's answer has no choices"))?;
    let mut is_empty = true;
    for (index, choice) in choices.enumerate() {
        let piece = match is_chat {
            true => of_chat(choice),
            false => of_text(choice),
        };
        let mut piece =
            piece.ok_or_else(|| invalid("a choice of the upstream's answer says nothing"))?;
        if given(choice.get("index")).is_none() {
            piece.set("index", index.to_string());
        }
        chunk.set("choices", list([piece.to_bytes()]));
        write(&chunk);
        is_empty = false;
    }
    if is_empty {
        return Err(invalid("the upstream's answer has no choices"));
    }
    if let Some(told) = given(answer.get("usage")).filter(|_| usage) {
        chunk.set("choices", &b"[]"[..]);
        chunk.set("usage", Bytes::copy_from_slice(told.as_bytes()));
        write(&chunk);
    }
    out.extend_from_slice(DONE_EVENT);
    Ok(out.into())
}

fn of_text(choice: Value<'_>) -> Option<JsonBody> {
    choice.get("text").filter(|it| it.text().starts_with('"'))?;
    let mut piece = object(choice)?;
    end(&mut piece, choice, false);
    Some(piece)
}

/// The message is the delta.
fn of_chat(choice: Value<'_>) -> Option<JsonBody> {
    let message = choice.get("message")?;
    let mut delta = object(message)?;
    if given(message.get("role")).is_none() {
        delta.set("role", &b"\"assistant\""[..]);
    }
    let calls = message.get("tool_calls").and_then(Value::elements);
    let calls: Vec<_> = calls.into_iter().flatten().collect();
    let calls_tools = !calls.is_empty();
    if calls_tools {
        delta.set("tool_calls", numbered(calls)?);
    }
    let mut piece = object(choice)?;
    piece.remove("message");
    piece.set("delta", delta.to_bytes());
    end(&mut piece, choice, calls_tools);
    Some(piece)
}

/// Clients put the pieces of a call together by its number, and keep them in a list. Whole answers have none, or one of their
/// own.
fn numbered(calls: Vec<Value<'_>>) -> Option<Bytes> {
    let number = |(number, call): (usize, Value<'_>)| {
        let mut numbered = object(call)?;
        numbered.set("index", number.to_string());
        Some(numbered.to_bytes())
    };
    let calls: Option<Vec<_>> = calls.into_iter().enumerate().map(number).collect();
    Some(list(calls?))
}

/// A choice that does not say how it ended has ended all the same.
fn end(piece: &mut JsonBody, choice: Value<'_>, calls_tools: bool) {
    if given(choice.get("finish_reason")).is_none() {
        let reason = if calls_tools { "tool_calls" } else { "stop" };
        piece.set(
            Cow::Borrowed("finish_reason"),
            Bytes::from(format!("\"{reason}\"")),
        );
    }
}

fn list(items: impl IntoIterator<Item = Bytes>) -> Bytes {
    let mut text = b"[".to_vec();
    for item in items {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(&item);
    }
    text.push(b']');
    text.into()
}

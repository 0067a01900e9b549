//! The parts of a chunk, and of the event that it comes in.

use std::sync::LazyLock;

use bytes::BufMut;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::json::{self, Document, Value};
use ziggurat_provider::{redact, sse::Event};

use crate::failure::is_error;

/// What most deltas have not.
static CALLS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""tool_calls""#));

/// One of the answers that a chunk brings a piece of.
#[derive(Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(borrow)]
    pub(crate) index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) delta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) finish_reason: Option<&'a RawValue>,
}

/// Passes an event without data on as comments, since it keeps the connection alive. What else is in it is unknown text, or none
/// at all: clients may read no further at bytes that are not UTF-8. Comments with a key in them are left out.
pub(crate) fn pass_comments(event: Event<'_>, secrets: &[Box<str>], out: &mut Vec<u8>) {
    let is_text = |comment: &&[u8]| {
        std::str::from_utf8(comment).is_ok() && !redact::is_needed(secrets, comment)
    };
    let mut comments = event.comments().filter(is_text).peekable();
    if comments.peek().is_none() {
        out.put_slice(b":\n");
    }
    for comment in comments {
        out.put_slice(comment);
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
}

/// Whether an event is an error in the words of one of the servers that do not call it so in its name.
pub(crate) fn says_error(document: &Document) -> bool {
    let object = document.get("object").map(Value::as_bytes);
    let kind = document.get("type").map_or(&b""[..], Value::as_bytes);
    let names_itself = object == Some(b"\"error\"") || is_failure(kind);
    names_itself || document.get("error").is_some_and(is_error) || is_nothing_else(document, kind)
}

/// The error of a choice that failed while it was written: what came of it is no answer.
pub(crate) fn error_of_choice(document: &Document) -> Option<Value<'_>> {
    if !document.may_have_member("error") {
        return None;
    }
    let errors = document.get("choices")?.elements()?;
    let mut errors = errors.filter_map(|choice| choice.get("error"));
    errors.find(|error| error.text().starts_with('{') && is_error(*error))
}

/// Whether a type, as JSON, is that of an error of OpenAI's or of a response that failed, on whatever endpoint.
fn is_failure(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"\"error\"" | b"\"response.error\"" | b"\"response.failed\""
    )
}

/// Whether an event says something to read and brings nothing: servers before the API write errors so.
fn is_nothing_else(document: &Document, kind: &[u8]) -> bool {
    let is_text = |name| {
        document
            .get(name)
            .is_some_and(|it| it.text().starts_with('"'))
    };
    let is_list = |name| {
        let mut items = document.get(name).and_then(Value::elements);
        items.as_mut().is_some_and(|items| items.next().is_some())
    };
    document.get("choices").is_none()
        && !kind.starts_with(b"\"response.")
        && (is_text("message") || is_text("detail") || is_list("detail") || is_list("errors"))
}

pub(crate) fn index(choice: &Choice<'_>) -> u32 {
    let index = choice.index.and_then(|index| index.get().parse().ok());
    index.unwrap_or(0)
}

pub(crate) fn is_finished(choice: &Choice<'_>) -> bool {
    let reason = choice.finish_reason;
    reason.is_some_and(|reason| json::is_said(reason.get()))
}

/// Whether a delta brings a piece of a call. Some servers send a list of none with each piece of the answer.
pub(crate) fn calls_tools(delta: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Delta<'a> {
        #[serde(borrow)]
        tool_calls: Option<&'a RawValue>,
    }
    if CALLS.find(delta).is_none() {
        return false;
    }
    let calls = serde_json::from_slice::<Delta<'_>>(delta).ok();
    let calls = calls.and_then(|delta| delta.tool_calls);
    calls.is_some_and(|calls| calls.get().contains('{'))
}

/// Where a part of a text starts.
pub(crate) fn offset(text: &[u8], part: &[u8]) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::json;

use super::Found;

/// Events that say no more than that a stream has begun or is alive: those of Anthropic's Messages
/// (<https://docs.anthropic.com/en/docs/build-with-claude/streaming>) and of OpenAI's Responses
/// (<https://platform.openai.com/docs/api-reference/responses-streaming>).
const LIFECYCLE: [&str; 8] = [
    "ping",
    "message_start",
    "response.created",
    "response.in_progress",
    "response.queued",
    "response.content_part.added",
    "response.reasoning_summary_part.added",
    "keepalive",
];

/// What of an event tells its kind.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    // An object, or in the Responses a text.
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<Whole<'a>>,
    #[serde(borrow)]
    content_block: Option<Part<'a>>,
    #[serde(borrow)]
    item: Option<Part<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    // Some servers send whole messages in their streams.
    #[serde(borrow, alias = "message")]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
}

/// A block of Anthropic's, or an item of the Responses, as it begins.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

/// What a piece of Anthropic's brings, as far as it may bring nothing or end the message.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
}

/// A response of the Responses, as it ends.
#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    incomplete_details: Option<Incomplete<'a>>,
}

#[derive(Deserialize)]
struct Incomplete<'a> {
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
}

/// Judges an event by its name, if it has one, and its data.
pub(super) fn judge(name: &[u8], data: &[u8]) -> Found {
    let data = data.trim_ascii();
    if data.is_empty() || LIFECYCLE.iter().any(|it| it.as_bytes() == name) {
        return Found::Nothing;
    }
    if has_text(data) {
        return Found::Content;
    }
    match serde_json::from_slice::<Event<'_>>(data) {
        Ok(event) => event.judge(name),
        // `[DONE]`, and what is in no format known here: nobody waits for more.
        Err(_) => Found::Content,
    }
}

/// Finds text of a choice without reading the JSON around it, as most programs write it. Where a choice might have been
/// kept back it says nothing.
fn has_text(data: &[u8]) -> bool {
    const TEXT: &[u8] = br#""content":""#;
    let Some(choices) = memmem::find(data, br#""choices""#) else {
        return false;
    };
    // A quote inside a string has a backslash before it, so that this cannot be quoted text.
    let Some(text) = memmem::find(&data[choices..], TEXT) else {
        return false;
    };
    let first = data.get(choices + text + TEXT.len());
    first.is_some_and(|&first| first != b'"')
        && memmem::find(data, br#""content_filter""#).is_none()
}

// === impl Event ===

impl Event<'_> {
    fn judge(&self, name: &[u8]) -> Found {
        if is_some(self.error) {
            return Found::Content;
        }
        if let Some(choices) = &self.choices {
            let filtered = choices.iter().any(Choice::is_filtered);
            return match choices.iter().any(Choice::has_content) {
                true if filtered => Found::Filtered,
                true => Found::Content,
                false => Found::Nothing,
            };
        }
        let kind = match name {
            b"" | b"message" => self.kind.as_deref(),
            name => std::str::from_utf8(name).ok(),
        };
        if self.is_filtered(kind) {
            return Found::Filtered;
        }
        let nothing = match kind {
            Some("content_block_delta") => self.piece().is_some_and(|piece| piece.is_empty()),
            Some("response.output_text.delta") => !is_some(self.delta),
            Some("content_block_start") => self.content_block.as_ref().is_some_and(Part::is_empty),
            Some("response.output_item.added") => self.item.as_ref().is_some_and(Part::is_empty),
            Some(kind) => LIFECYCLE.contains(&kind),
            None => false,
        };
        if nothing {
            Found::Nothing
        } else {
            Found::Content
        }
    }
}

impl<'a> Event<'a> {
    fn piece(&self) -> Option<Piece<'a>> {
        serde_json::from_str(self.delta?.get()).ok()
    }

    /// Whether it ends an answer that was kept back.
    fn is_filtered(&self, kind: Option<&str>) -> bool {
        match kind {
            Some("message_delta") => {
                let reason = self.piece().and_then(|piece| piece.stop_reason);
                reason.is_some_and(|reason| reason.get() == r#""refusal""#)
            }
            Some("response.incomplete") => {
                let details = self.response.as_ref();
                let details = details.and_then(|response| response.incomplete_details.as_ref());
                details.is_some_and(|it| it.reason.as_deref() == Some("content_filter"))
            }
            _ => false,
        }
    }
}

impl Piece<'_> {
    /// Whether it is a text without a letter.
    fn is_empty(&self) -> bool {
        let text = self.text.or(self.thinking);
        text.is_some_and(|text| text.get() == "\"\"")
    }
}

impl Choice<'_> {
    fn has_content(&self) -> bool {
        self.delta.as_ref().is_some_and(Delta::has_content)
            || is_some(self.text)
            || self.has_ended()
    }

    fn has_ended(&self) -> bool {
        self.finish_reason
            .is_some_and(|reason| json::is_said(reason.get()))
    }

    fn is_filtered(&self) -> bool {
        self.finish_reason
            .is_some_and(|reason| reason.get() == r#""content_filter""#)
    }
}

impl Delta<'_> {
    fn has_content(&self) -> bool {
        [
            self.content,
            self.reasoning,
            self.reasoning_content,
            self.reasoning_details,
            self.thinking,
            self.refusal,
            self.tool_calls,
            self.function_call,
            self.audio,
        ]
        .into_iter()
        .any(is_some)
    }
}

impl Part<'_> {
    /// Whether it is a frame for text that is still to come. A tool call says something by its beginning.
    fn is_empty(&self) -> bool {
        let holds_text = matches!(
            self.kind.as_deref(),
            Some("text" | "thinking" | "message" | "reasoning")
        );
        holds_text && !is_some(self.text) && !is_some(self.thinking)
    }
}

/// Whether a value says anything; `null` is read as none.
fn is_some(value: Option<&RawValue>) -> bool {
    value.is_some_and(|value| !matches!(value.get(), r#""""# | "[]" | "{}"))
}

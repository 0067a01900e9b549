//! Frames, as what they say, whatever operation sends them.

use aws_smithy_types::base64;
use serde::Deserialize;
use serde_json::Value;
use ziggurat_core::Failure;

use crate::{
    answer::thinking_tokens, dialect::Template, exchange::invalid, failure, frames::Frame,
    usage::Tokens,
};

/// What a frame says about an answer.
#[derive(Debug)]
pub(crate) enum Event {
    Text(String),
    Thought {
        block: u64,
        thought: Thought,
    },
    Call {
        block: u64,
        id: String,
        name: String,
    },
    Input {
        block: u64,
        json: String,
    },
    BlockEnd(u64),
    Stop(String),
    Used(Tokens),
}

/// A piece of what the model thought.
#[derive(Debug)]
pub(crate) enum Thought {
    Text(String),
    Signature(String),
    Redacted(String),
}

/// Reads frames.
#[derive(Default)]
pub(crate) struct Reader {
    /// Of an answer in Anthropic's format, where they come in parts.
    tokens: Tokens,
    reasoning: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart {
    content_block_index: u64,
    start: Option<Start>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    tool_use: Option<ToolStart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolStart {
    tool_use_id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta {
    content_block_index: u64,
    delta: Delta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta {
    text: Option<String>,
    tool_use: Option<ToolInput>,
    reasoning_content: Option<Reasoning>,
}

#[derive(Deserialize)]
struct ToolInput {
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    text: Option<String>,
    signature: Option<String>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStop {
    content_block_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    stop_reason: String,
    additional_model_response_fields: Option<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    usage: Option<Tokens>,
}

/// A frame of InvokeModel.
#[derive(Deserialize)]
struct Wrapped {
    bytes: String,
}

/// An event of one of Anthropic's models.
#[derive(Deserialize)]
struct Native {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u64,
    message: Option<NativeMessage>,
    content_block: Option<NativeBlock>,
    delta: Option<NativeDelta>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct NativeMessage {
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct NativeBlock {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    id: Option<String>,
    name: Option<String>,
    data: Option<String>,
}

#[derive(Deserialize)]
struct NativeDelta {
    text: Option<String>,
    partial_json: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    stop_reason: Option<String>,
}

impl Reader {
    /// Reads a frame; `None` if it says nothing for the client. Events of unknown types are passed over, as AWS demands
    /// of its clients.
    ///
    /// # Errors
    ///
    /// An exception, or an event that is not what its type says.
    pub(crate) fn read(
        &mut self,
        frame: &Frame,
        template: &Template,
    ) -> Result<Option<Event>, Failure> {
        let payload = frame.payload();
        Ok(match kind(frame, template)? {
            "contentBlockStart" => {
                let start: BlockStart = decode(payload)?;
                let tool = start.start.and_then(|start| start.tool_use);
                tool.map(|tool| Event::Call {
                    block: start.content_block_index,
                    id: tool.tool_use_id,
                    name: tool.name,
                })
            }
            "contentBlockDelta" => {
                let BlockDelta {
                    content_block_index: block,
                    delta,
                } = decode(payload)?;
                match (delta.text, delta.tool_use, delta.reasoning_content) {
                    (Some(text), ..) => Some(Event::Text(text)),
                    (None, Some(tool), _) => Some(Event::Input {
                        block,
                        json: tool.input,
                    }),
                    (None, None, Some(reasoning)) => reasoning.event(block),
                    (None, None, None) => None,
                }
            }
            "contentBlockStop" => {
                let stop: BlockStop = decode(payload)?;
                Some(Event::BlockEnd(stop.content_block_index))
            }
            "messageStop" => {
                let stop: MessageStop = decode(payload)?;
                let fields = stop.additional_model_response_fields;
                self.reasoning = fields.as_ref().and_then(thinking_tokens);
                Some(Event::Stop(stop.stop_reason))
            }
            "metadata" => {
                let Metadata { usage } = decode(payload)?;
                let mut tokens = usage.unwrap_or_default();
                tokens.reasoning = self.reasoning;
                Some(Event::Used(tokens))
            }
            "chunk" => self.native(payload, template)?,
            _ => None,
        })
    }

    /// Takes what was told in parts.
    pub(super) fn tokens(&mut self) -> Tokens {
        std::mem::take(&mut self.tokens)
    }

    fn native(&mut self, payload: &[u8], template: &Template) -> Result<Option<Event>, Failure> {
        let bytes = unwrapped(payload)?;
        let event: Native = decode(&bytes)?;
        let block = event.index;
        Ok(match &*event.kind {
            "message_start" => {
                self.tokens = event
                    .message
                    .and_then(|message| message.usage)
                    .unwrap_or_default();
                None
            }
            "content_block_start" => event.content_block.and_then(|start| start.event(block)),
            "content_block_delta" => event.delta.and_then(|delta| delta.event(block)),
            "content_block_stop" => Some(Event::BlockEnd(block)),
            "message_delta" => {
                if let Some(usage) = &event.usage {
                    self.tokens.update(usage);
                }
                event
                    .delta
                    .and_then(|delta| delta.stop_reason)
                    .map(Event::Stop)
            }
            "message_stop" => Some(Event::Used(self.tokens())),
            "error" => return Err(failure::in_band(None, &bytes, &template.secrets)),
            _ => None,
        })
    }
}

impl Reasoning {
    fn event(self, block: u64) -> Option<Event> {
        let thought = self.text.map(Thought::Text);
        let thought = thought.or_else(|| self.signature.map(Thought::Signature));
        let thought = thought.or_else(|| self.redacted_content.map(Thought::Redacted));
        thought.map(|thought| Event::Thought { block, thought })
    }
}

impl NativeBlock {
    fn event(self, block: u64) -> Option<Event> {
        match &*self.kind {
            "tool_use" => Some(Event::Call {
                block,
                id: self.id?,
                name: self.name?,
            }),
            "redacted_thinking" => {
                let thought = Thought::Redacted(self.data?);
                Some(Event::Thought { block, thought })
            }
            _ => self.text.filter(|text| !text.is_empty()).map(Event::Text),
        }
    }
}

impl NativeDelta {
    fn event(self, block: u64) -> Option<Event> {
        let thought = self.thinking.map(Thought::Text);
        let thought = thought.or_else(|| self.signature.map(Thought::Signature));
        let text = self.text.map(Event::Text);
        let text = text.or_else(|| thought.map(|thought| Event::Thought { block, thought }));
        text.or_else(|| self.partial_json.map(|json| Event::Input { block, json }))
    }
}

/// The type of a frame's event.
///
/// # Errors
///
/// An exception.
pub(crate) fn kind<'a>(frame: &'a Frame, template: &Template) -> Result<&'a str, Failure> {
    match frame.header(":message-type") {
        Some("event") => Ok(frame.header(":event-type").unwrap_or_default()),
        Some("exception") => {
            let name = frame.header(":exception-type");
            Err(failure::in_band(name, frame.payload(), &template.secrets))
        }
        Some("error") => {
            let message = frame.header(":error-message").unwrap_or_default();
            let name = frame.header(":error-code");
            let message = message.as_bytes();
            Err(failure::in_band(name, message, &template.secrets))
        }
        _ => Err(invalid(
            "a frame of the upstream's stream has an unknown type",
        )),
    }
}

/// What a frame of InvokeModel holds: an event in the words of the model's maker.
pub(crate) fn unwrapped(payload: &[u8]) -> Result<Vec<u8>, Failure> {
    let wrapped: Wrapped = decode(payload)?;
    let bytes = base64::decode(wrapped.bytes);
    bytes.map_err(|_| invalid("an event of the upstream's stream is no base64"))
}

pub(crate) fn decode<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Failure> {
    let decoded = serde_json::from_slice(payload);
    decoded.map_err(|_| invalid("an event of the upstream's stream is not what its type says"))
}

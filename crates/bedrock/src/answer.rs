//! Answers, in OpenAI's words.

use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use ziggurat_core::Meter;

use crate::{
    request::{Asked, JSON_TOOL},
    usage::{Tokens, Usage},
};

/// What a model answered, whatever operation was called.
#[derive(Default)]
pub(crate) struct Said<'a> {
    text: String,
    reasoning: String,
    thinking: Vec<Value>,
    calls: Vec<Called<'a>>,
    stop: Option<Cow<'a, str>>,
    tokens: Option<Tokens>,
}

struct Called<'a> {
    /// Its place among the blocks.
    index: usize,
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    input: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Converse<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    usage: Option<Tokens>,
    additional_model_response_fields: Option<Value>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Vec<Block<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    reasoning_content: Option<Reasoning>,
    citations_content: Option<Cited>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse<'a> {
    #[serde(borrow)]
    tool_use_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    input: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    reasoning_text: Option<ReasoningText>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ReasoningText {
    text: String,
    signature: Option<String>,
}

/// Text with its sources.
#[derive(Deserialize)]
struct Cited {
    #[serde(default)]
    content: Vec<CitedText>,
}

#[derive(Deserialize)]
struct CitedText {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Anthropic<'a> {
    #[serde(borrow)]
    content: Vec<Part<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    text: Option<String>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    thinking: Option<String>,
    signature: Option<String>,
    data: Option<String>,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a RawValue,
    choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Reply<'a>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Reply<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    thinking_blocks: &'a [Value],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    index: usize,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> Said<'a> {
    /// Reads an answer of Converse.
    pub(crate) fn of_converse(body: &'a [u8]) -> Option<Self> {
        let answer: Converse<'a> = serde_json::from_slice(body).ok()?;
        let mut said = Self {
            stop: answer.stop_reason,
            tokens: answer.usage,
            ..Self::default()
        };
        if let (Some(tokens), Some(fields)) =
            (&mut said.tokens, &answer.additional_model_response_fields)
        {
            tokens.reasoning = thinking_tokens(fields);
        }
        for (index, block) in answer.output.message.content.into_iter().enumerate() {
            if let Some(text) = block.text {
                said.push_text(&text);
            }
            for cited in block
                .citations_content
                .iter()
                .flat_map(|cited| &cited.content)
            {
                said.push_text(cited.text.as_deref().unwrap_or_default());
            }
            if let Some(reasoning) = block.reasoning_content {
                if let Some(thought) = reasoning.reasoning_text {
                    said.push_thought(&thought.text, thought.signature.as_deref());
                }
                if let Some(data) = reasoning.redacted_content {
                    said.thinking.push(redacted(&data));
                }
            }
            if let Some(call) = block.tool_use {
                said.calls.push(Called {
                    index,
                    id: call.tool_use_id,
                    name: call.name,
                    input: call.input.get(),
                });
            }
        }
        Some(said)
    }

    /// Reads an answer of one of Anthropic's models.
    pub(crate) fn of_anthropic(body: &'a [u8]) -> Option<Self> {
        let answer: Anthropic<'a> = serde_json::from_slice(body).ok()?;
        let mut said = Self {
            stop: answer.stop_reason,
            tokens: answer.usage,
            ..Self::default()
        };
        for (index, part) in answer.content.into_iter().enumerate() {
            match &*part.kind {
                "text" => said.push_text(part.text.as_deref().unwrap_or_default()),
                "thinking" => {
                    let thought = part.thinking.as_deref().unwrap_or_default();
                    said.push_thought(thought, part.signature.as_deref());
                }
                "redacted_thinking" => said.thinking.extend(part.data.as_deref().map(redacted)),
                "tool_use" => said.calls.push(Called {
                    index,
                    id: part.id?,
                    name: part.name?,
                    input: part.input.map_or("{}", RawValue::get),
                }),
                _ => {}
            }
        }
        Some(said)
    }

    fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn push_thought(&mut self, text: &str, signature: Option<&str>) {
        self.reasoning.push_str(text);
        self.thinking.push(thought(text, signature));
    }

    /// Says whether the provider kept back its content.
    pub(crate) fn is_filtered(&self) -> bool {
        finish_reason(self.stop.as_deref(), false) == "content_filter"
    }

    /// Prints the answer for the client, and tells the meter what was used.
    pub(crate) fn print(&self, asked: &Asked, model: &[u8], meter: Option<&Meter>) -> Bytes {
        let is_json = |call: &&Called<'_>| asked.json_tool && call.name == JSON_TOOL;
        let json = self.calls.iter().find(is_json);
        let calls = self.calls.iter().filter(|call| !is_json(call));
        let tool_calls: Vec<_> = calls
            .map(|call| ToolCall {
                index: call.index,
                id: &call.id,
                kind: "function",
                function: Function {
                    name: asked.names.own(&call.name),
                    arguments: call.input,
                },
            })
            .collect();
        let calls_tools = !tool_calls.is_empty();
        let text = (!calls_tools || !self.text.is_empty()).then_some(&*self.text);
        let thought = !self.thinking.is_empty();
        let message = Reply {
            role: "assistant",
            content: json.map(|json| json.input).or(text),
            reasoning_content: &self.reasoning,
            thinking_blocks: &self.thinking,
            tool_calls,
        };
        let choice = Choice {
            index: 0,
            message,
            finish_reason: finish_reason(self.stop.as_deref(), calls_tools),
        };
        let completion = Completion {
            id: generated_id(),
            object: "chat.completion",
            created: now(),
            model: name(model),
            choices: [choice],
            usage: self
                .tokens
                .as_ref()
                .map(|tokens| tokens.usage(thought, meter)),
        };
        let printed = serde_json::to_vec(&completion);
        printed.expect("texts and numbers print").into()
    }
}

/// OpenAI's word for why a model stopped.
pub(crate) fn finish_reason(native: Option<&str>, calls_tools: bool) -> &'static str {
    match native {
        Some("max_tokens" | "model_context_window_exceeded") => "length",
        Some("content_filtered" | "guardrail_intervened" | "refusal") => "content_filter",
        _ if calls_tools => "tool_calls",
        // A tool that stands in for a schema of the answer is none.
        _ => "stop",
    }
}

/// A thought, in the form in which clients send it back.
pub(crate) fn thought(text: &str, signature: Option<&str>) -> Value {
    let mut thought = json!({ "type": "thinking", "thinking": text });
    if let Some(signature) = signature {
        thought["signature"] = signature.into();
    }
    thought
}

/// A thought that the provider does not show.
pub(crate) fn redacted(data: &str) -> Value {
    json!({ "type": "redacted_thinking", "data": data })
}

/// How many tokens went into thinking, where the model tells.
pub(crate) fn thinking_tokens(fields: &Value) -> Option<u64> {
    let details = fields.pointer("/usage/output_tokens_details")?;
    let tokens = details
        .get("thinking_tokens")
        .or_else(|| details.get("reasoning_tokens"));
    tokens?.as_u64()
}

/// An id as OpenAI makes them; Bedrock gives none.
pub(crate) fn generated_id() -> String {
    let random = std::iter::repeat_with(fastrand::alphanumeric).take(29);
    "chatcmpl-".chars().chain(random).collect()
}

pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// A name that was printed as JSON.
pub(crate) fn name(json: &[u8]) -> &RawValue {
    serde_json::from_slice(json).expect("it was printed here")
}

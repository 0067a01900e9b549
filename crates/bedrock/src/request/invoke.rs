//! The body of Anthropic's models, for those that are called by InvokeModel.

use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Object,
    tools::{Choice, Entry, ToolConfig},
    wire::{Block, Converse, Media, Reasoning, Turn},
};

/// What Bedrock calls the version of the format.
const VERSION: &str = "bedrock-2023-05-31";

/// Most tokens of an answer if the request does not say: LiteLLM's default.
const MAX_TOKENS: u64 = 4096;

#[derive(Serialize)]
pub(super) struct Anthropic {
    messages: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Value>,
    max_tokens: Value,
    anthropic_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<String>,
    #[serde(flatten)]
    rest: Object,
}

impl Anthropic {
    /// Says the same in Anthropic's words.
    pub(super) fn of(converse: Converse<'_>) -> Self {
        let inference = converse.inference_config;
        let mut rest = converse.additional_model_request_fields;
        let numbers = [
            ("temperature", inference.temperature),
            ("top_p", inference.top_p),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                rest.insert(name.to_owned(), number.into());
            }
        }
        if let Some(config) = &converse.tool_config {
            tools(config, &mut rest);
        }
        let max_tokens = inference.max_tokens.map_or(MAX_TOKENS.into(), Value::from);
        Self {
            messages: converse.messages.iter().map(turn).collect(),
            system: blocks(&converse.system),
            max_tokens,
            anthropic_version: VERSION,
            stop_sequences: inference.stop_sequences,
            rest,
        }
    }
}

fn turn(turn: &Turn<'_>) -> Value {
    json!({ "role": turn.role, "content": blocks(&turn.content) })
}

fn blocks(blocks: &[Block<'_>]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::with_capacity(blocks.len());
    for block in blocks {
        out.push(match block {
            Block::Text(text) => json!({ "type": "text", "text": text }),
            Block::Image(media) => source("image", "image/", media),
            // Only a PDF was let in.
            Block::Document(media) => source("document", "application/", media),
            Block::ToolUse(call) => json!({
                "type": "tool_use", "id": call.tool_use_id, "name": call.name, "input": json(&call.input),
            }),
            Block::ToolResult(result) => json!({
                "type": "tool_result", "tool_use_id": result.tool_use_id,
                "content": self::blocks(&result.content),
            }),
            Block::ReasoningContent(Reasoning::ReasoningText(thought)) => json!({
                "type": "thinking", "thinking": thought.text, "signature": thought.signature,
            }),
            Block::ReasoningContent(Reasoning::RedactedContent(data)) => {
                json!({ "type": "redacted_thinking", "data": data })
            }
            Block::CachePoint(_) => {
                if let Some(before) = out.last_mut() {
                    before["cache_control"] = json!({ "type": "ephemeral" });
                }
                continue;
            }
        });
    }
    out
}

fn source(kind: &str, prefix: &str, media: &Media<'_>) -> Value {
    let media_type = format!("{prefix}{}", media.format);
    json!({
        "type": kind,
        "source": { "type": "base64", "media_type": media_type, "data": media.source.bytes },
    })
}

fn tools(config: &ToolConfig<'_>, rest: &mut Object) {
    let mut tools: Vec<Value> = Vec::new();
    for entry in &config.tools {
        match entry {
            Entry::ToolSpec(spec) => tools.push(json!({
                "name": spec.name, "description": spec.description, "type": "custom",
                "input_schema": json(spec.input_schema.json.get()),
            })),
            Entry::CachePoint(_) => {
                if let Some(before) = tools.last_mut() {
                    before["cache_control"] = json!({ "type": "ephemeral" });
                }
            }
        }
    }
    rest.insert("tools".into(), tools.into());
    let choice = match &config.tool_choice {
        None => return,
        Some(Choice::Auto) => json!({ "type": "auto" }),
        Some(Choice::Any) => json!({ "type": "any" }),
        Some(Choice::Tool(name)) => json!({ "type": "tool", "name": name }),
    };
    // Parallel calls are said there too.
    let said = rest.entry("tool_choice").or_insert_with(|| json!({}));
    if let (Value::Object(said), Value::Object(choice)) = (said, choice) {
        said.extend(choice);
    }
}

/// Text that was read as JSON before.
fn json(text: &str) -> Value {
    serde_json::from_str::<&RawValue>(text)
        .and_then(|raw| serde_json::from_str(raw.get()))
        .unwrap_or_default()
}

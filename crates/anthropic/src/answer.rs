//! Plain answers, into OpenAI's words.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ziggurat_core::Failure;

use crate::{
    exchange::Context,
    failure::Wire,
    finish,
    object::raw,
    request::JSON_TOOL,
    template::invalid,
    usage::{Told, Usage},
};

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "type", default)]
    kind: String,
    model: Option<String>,
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A block of an answer; also the beginning of one in a stream.
#[derive(Deserialize)]
pub(crate) struct Block<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) thinking: Option<&'a RawValue>,
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    #[serde(borrow)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Told<'a>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u8,
    message: Message<'a>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Fields::is_empty")]
    provider_specific_fields: Fields<'a>,
}

#[derive(Serialize)]
struct Call<'a> {
    index: usize,
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: &'a str,
}

/// What OpenAI has no words for.
#[derive(Default, Serialize)]
struct Fields<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    citations: Vec<&'a RawValue>,
    /// Blocks of kinds that are not known here, and results of tools that Anthropic runs itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    content_blocks: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_sequence: Option<&'a str>,
}

/// What was found in the blocks of an answer.
#[derive(Default)]
struct Found<'a> {
    /// The insides of strings.
    text: String,
    thoughts: String,
    thinking_blocks: Vec<&'a RawValue>,
    calls: Vec<(usize, Block<'a>)>,
    /// What the JSON tool was called with.
    json: Option<&'a RawValue>,
    fields: Fields<'a>,
}

/// An answer in OpenAI's form, printed.
pub(crate) struct Translated {
    pub(crate) text: Vec<u8>,
    /// Whether the provider kept back its content.
    pub(crate) filtered: bool,
}

/// Makes the client's answer.
pub(crate) fn translate(body: &[u8], context: &Context) -> Result<Translated, Failure> {
    let answer: Result<Answer<'_>, _> = serde_json::from_slice(body);
    let answer = answer.map_err(|_| invalid("the upstream's answer is no message"))?;
    if answer.kind == "error" || answer.error.is_some() {
        return Err(Wire::of(body, &context.template.secrets).in_band());
    }
    let Some(content) = &answer.content else {
        return Err(invalid("the upstream's answer has no content"));
    };
    let mut found = Found::default();
    for (index, block) in content.iter().enumerate() {
        let read: Result<Block<'_>, _> = serde_json::from_str(block.get());
        let read = read.map_err(|_| invalid("the upstream's answer has an unreadable block"))?;
        found.block(index, read, block, context);
    }
    found.fields.stop_sequence = answer.stop_sequence.as_deref();
    let usage = answer
        .usage
        .map(|usage| serde_json::from_str::<Usage>(usage.get()));
    let usage = usage.map(Result::unwrap_or_default);
    if let Some(usage) = &usage {
        usage.record(context.meter.as_ref());
    }
    let reason = finish::openai(answer.stop_reason.as_deref().unwrap_or_default());
    let finish_reason = match found.calls.is_empty() {
        false if reason == "stop" => "tool_calls",
        true if reason == "tool_calls" => "stop",
        _ => reason,
    };
    let thought = !found.thinking_blocks.is_empty();
    let model = context.model.as_ref().or(answer.model.as_ref());
    let completion = Completion {
        id: &context.id,
        object: "chat.completion",
        created: context.created,
        model: model.map_or("", String::as_str),
        choices: [Choice {
            index: 0,
            message: found.message(context),
            finish_reason,
        }],
        usage: usage.as_ref().map(|usage| usage.told(thought)),
    };
    Ok(Translated {
        text: serde_json::to_vec(&completion).expect("its keys are strings"),
        filtered: finish_reason == "content_filter",
    })
}

impl<'a> Found<'a> {
    fn block(&mut self, index: usize, block: Block<'a>, raw: &'a RawValue, context: &Context) {
        match &*block.kind {
            "text" => {
                self.text.push_str(inside(block.text));
                self.fields
                    .citations
                    .extend(block.citations.filter(|it| it.get() != "null"));
            }
            "thinking" => {
                self.thoughts.push_str(inside(block.thinking));
                self.thinking_blocks.push(raw);
            }
            "redacted_thinking" => self.thinking_blocks.push(raw),
            "tool_use" if context.is_json_tool(block.name.as_deref()) => {
                self.json = self.json.or(block.input);
            }
            "tool_use" => self.calls.push((index, block)),
            _ => self.fields.content_blocks.push(raw),
        }
    }

    fn message(self, context: &'a Context) -> Message<'a> {
        let text = |inside: String| (!inside.is_empty()).then(|| raw(format!("\"{inside}\"")));
        let content = match self.json {
            Some(json) => Some(raw(serde_json::Value::from(json.get()).to_string())),
            None if self.text.is_empty() && self.calls.is_empty() => Some(raw("\"\"".to_owned())),
            None => text(self.text),
        };
        let calls = self.calls.into_iter().map(|(index, block)| Call {
            index,
            id: block.id.unwrap_or_default(),
            kind: "function",
            function: Function {
                name: own_name(block.name, context),
                arguments: block.input.map_or("{}", RawValue::get),
            },
        });
        Message {
            role: "assistant",
            content,
            reasoning_content: text(self.thoughts),
            thinking_blocks: self.thinking_blocks,
            tool_calls: calls.collect(),
            provider_specific_fields: self.fields,
        }
    }
}

impl Context {
    /// Whether a call of this tool is the answer.
    pub(crate) fn is_json_tool(&self, name: Option<&str>) -> bool {
        self.asked.json_tool && name == Some(JSON_TOOL)
    }
}

impl Fields<'_> {
    fn is_empty(&self) -> bool {
        self.citations.is_empty() && self.content_blocks.is_empty() && self.stop_sequence.is_none()
    }
}

fn own_name(name: Option<String>, context: &Context) -> Cow<'_, str> {
    let name = name.unwrap_or_default();
    Cow::Owned(context.asked.names.own(&name).to_owned())
}

/// The inside of a string, still escaped; nothing if it is none.
fn inside(text: Option<&RawValue>) -> &str {
    let text = text.map(RawValue::get).unwrap_or_default();
    let inside = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inside.unwrap_or_default()
}

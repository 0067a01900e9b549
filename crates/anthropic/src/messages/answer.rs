//! Plain answers, from OpenAI's words into Anthropic's.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ziggurat_core::Failure;

use super::{
    generated_id, reason,
    usage::{Told, Usage},
};
use crate::{object::raw, template::invalid};

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    usage: Option<Told>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Said<'a>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, alias = "reasoning")]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking_blocks: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    arguments: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a RawValue,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'static str>,
    usage: Usage,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Block<'a> {
    Typed(Typed<'a>),
    /// One in Anthropic's own words.
    Native(&'a RawValue),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Typed<'a> {
    Text {
        text: &'a RawValue,
    },
    Thinking {
        thinking: &'a RawValue,
        /// Nobody has signed it.
        signature: &'static str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a RawValue,
        input: Box<RawValue>,
    },
}

/// Makes the client's answer.
pub(super) fn translate(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let completion: Completion<'_> = serde_json::from_slice(body)
        .map_err(|_| invalid("the upstream's answer is no chat completion"))?;
    let Some(choice) = completion.choices.into_iter().next() else {
        return Err(invalid("the upstream's answer has no choices"));
    };
    let calls_tools = choice
        .message
        .tool_calls
        .as_ref()
        .is_some_and(|calls| !calls.is_empty());
    let refused = text(choice.message.refusal).is_some();
    let reason = reason::read(choice.finish_reason)?.unwrap_or_default();
    let stop_reason = match refused {
        true => "refusal",
        false => reason::anthropic(&reason, calls_tools),
    };
    let nameless = raw("\"\"".to_owned());
    let message = Message {
        id: generated_id("msg_"),
        kind: "message",
        role: "assistant",
        model: completion.model.unwrap_or(&nameless),
        content: choice.message.blocks()?,
        stop_reason,
        stop_sequence: None,
        usage: completion.usage.unwrap_or_default().usage(),
    };
    Ok(serde_json::to_vec(&message).expect("its keys are strings"))
}

impl<'a> Said<'a> {
    fn blocks(self) -> Result<Vec<Block<'a>>, Failure> {
        let mut blocks = Vec::new();
        let thoughts = self.thinking_blocks.unwrap_or_default();
        if thoughts.is_empty() {
            let thinking = text(self.reasoning_content);
            blocks.extend(thinking.map(|thinking| {
                let signature = "";
                Block::Typed(Typed::Thinking {
                    thinking,
                    signature,
                })
            }));
        }
        blocks.extend(thoughts.into_iter().map(Block::Native));
        let texts = [text(self.content), text(self.refusal)];
        let texts = texts.into_iter().flatten();
        blocks.extend(texts.map(|text| Block::Typed(Typed::Text { text })));
        for call in self.tool_calls.unwrap_or_default() {
            let arguments = call.function.arguments.unwrap_or_default();
            let arguments = match arguments.trim() {
                "" => "{}",
                arguments => arguments,
            };
            let input = RawValue::from_string(arguments.to_owned()).ok();
            let Some(input) = input.filter(|input| input.get().starts_with('{')) else {
                return Err(invalid(
                    "the arguments of a tool call in the upstream's answer are no JSON object",
                ));
            };
            let id = call.id.filter(|id| !id.is_empty());
            blocks.push(Block::Typed(Typed::ToolUse {
                id: id.unwrap_or_else(|| generated_id("toolu_").into()),
                name: call.function.name,
                input,
            }));
        }
        Ok(blocks)
    }
}

/// A text that says something.
fn text(json: Option<&RawValue>) -> Option<&RawValue> {
    json.filter(|json| json.get().starts_with('"') && json.get() != "\"\"")
}

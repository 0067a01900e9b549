//! Messages, as turns of user and assistant.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use ziggurat_core::{Failure, json::Document};

use super::{
    Names, Text, content,
    content::Borrowed,
    names::clean,
    refusal,
    wire::{Block, Reasoning, ReasoningText, Role, ToolResult, ToolUse, Turn},
};

/// What goes before instructions that come in the middle, where Bedrock has no place for them.
const NOTE: &str = "Operator note (not from the user): the following was originally a mid-conversation system-role \
                    reminder.";

/// What stands in a turn that would be empty, which Bedrock refuses.
const EMPTY: &str = "[System: Empty message content sanitised to satisfy protocol]";

/// The conversation as Converse has it.
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Text<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    tool_call_id: Option<Borrowed<'a>>,
    #[serde(borrow)]
    thinking_blocks: Option<Vec<Thinking<'a>>>,
    cache_control: Option<Value>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Borrowed<'a>>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Option<Borrowed<'a>>,
}

#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(borrow)]
    thinking: Option<Borrowed<'a>>,
    #[serde(borrow)]
    signature: Option<Borrowed<'a>>,
    #[serde(borrow)]
    data: Option<Borrowed<'a>>,
}

/// Reads the messages. Without tools in the request, calls and results become text: Bedrock takes them with tools only.
pub(super) fn read<'a>(
    document: &'a Document,
    names: &mut Names,
    has_tools: bool,
) -> Result<Conversation<'a>, Failure> {
    let Some(messages) = document.get("messages") else {
        return Err(refusal("messages", "messages is missing"));
    };
    let messages: Vec<Message<'a>> = messages
        .decode()
        .map_err(|_| refusal("messages", "messages is not a list of messages"))?;
    let mut reader = Reader {
        system: Vec::new(),
        turns: Vec::new(),
        names,
        has_tools,
    };
    for (at, message) in messages.into_iter().enumerate() {
        reader.message(message, &format!("messages[{at}]"))?;
    }
    let (system, mut turns) = (reader.system, reader.turns);
    if turns.is_empty() {
        return Err(refusal(
            "messages",
            "messages has nothing but instructions; Bedrock needs a user's",
        ));
    }
    for turn in &mut turns {
        if !turn
            .content
            .iter()
            .any(|block| !matches!(block, Block::CachePoint(_)))
        {
            turn.content.insert(0, Block::Text(EMPTY.into()));
        }
    }
    Ok(Conversation { system, turns })
}

struct Reader<'a, 'n> {
    system: Vec<Block<'a>>,
    turns: Vec<Turn<'a>>,
    names: &'n mut Names,
    has_tools: bool,
}

impl<'a> Reader<'a, '_> {
    fn message(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        let content = &format!("{path}.content");
        let is_cached = message.cache_control.is_some();
        match &*message.role {
            "system" | "developer" if self.turns.is_empty() => {
                let before = self.system.len();
                content::read(message.content, content, &mut self.system)?;
                if is_cached && self.system.len() > before {
                    self.system.push(Block::cache_point());
                }
                return Ok(());
            }
            "system" | "developer" => {
                let mut blocks = vec![Block::Text(NOTE.into())];
                content::read(message.content, content, &mut blocks)?;
                if blocks.len() > 1 {
                    self.turn(Role::User).append(&mut blocks);
                }
            }
            "user" => content::read(message.content, content, self.turn(Role::User))?,
            "assistant" => self.assistant(message, path)?,
            "tool" => self.result(message, path)?,
            other => {
                let known: String = other.chars().take(40).collect();
                let message = format!("{path}: Bedrock takes no message of role {known}");
                return Err(refusal("messages", message));
            }
        }
        if is_cached && let Some(turn) = self.turns.last_mut() {
            turn.content.push(Block::cache_point());
        }
        Ok(())
    }

    /// The blocks of the turn that goes on, or of a new one.
    fn turn(&mut self, role: Role) -> &mut Vec<Block<'a>> {
        if self.turns.last().is_none_or(|turn| turn.role != role) {
            let content = Vec::new();
            self.turns.push(Turn { role, content });
        }
        let last = self
            .turns
            .last_mut()
            .expect("one was pushed if there was none");
        &mut last.content
    }

    fn assistant(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        let mut blocks = Vec::new();
        for thinking in message.thinking_blocks.into_iter().flatten() {
            blocks.extend(thinking.block());
        }
        content::read(message.content, &format!("{path}.content"), &mut blocks)?;
        for (at, call) in message.tool_calls.into_iter().flatten().enumerate() {
            let arguments = call.function.arguments.map_or("{}".into(), |text| text.0);
            if !self.has_tools {
                let name = &call.function.name;
                blocks.push(Block::Text(
                    format!("[tool call {name}({arguments})]").into(),
                ));
                continue;
            }
            let input = match arguments.trim() {
                "" => "{}".into(),
                text if is_object(text) => arguments,
                _ => {
                    let message =
                        format!("{path}.tool_calls[{at}]: its arguments are no JSON object");
                    return Err(refusal("messages", message));
                }
            };
            blocks.push(Block::ToolUse(ToolUse {
                tool_use_id: clean(call.id.as_ref().map_or("", |id| &id.0)),
                name: self.names.send(&call.function.name),
                input,
            }));
        }
        self.turn(Role::Assistant).append(&mut blocks);
        Ok(())
    }

    fn result(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        let Some(id) = message.tool_call_id else {
            return Err(refusal("messages", format!("{path} has no tool_call_id")));
        };
        let mut content = Vec::new();
        content::read(message.content, &format!("{path}.content"), &mut content)?;
        let has_tools = self.has_tools;
        let turn = self.turn(Role::User);
        if !has_tools {
            turn.push(Block::Text(format!("[tool result for {}]", id.0).into()));
            turn.append(&mut content);
            return Ok(());
        }
        // Marks of the cache stand beside a result, not inside.
        let is_cached = content
            .iter()
            .any(|block| matches!(block, Block::CachePoint(_)));
        content.retain(|block| !matches!(block, Block::CachePoint(_)));
        if content.is_empty() {
            content.push(Block::Text(EMPTY.into()));
        }
        turn.push(Block::ToolResult(ToolResult {
            tool_use_id: clean(&id.0),
            content,
        }));
        if is_cached {
            turn.push(Block::cache_point());
        }
        Ok(())
    }
}

impl<'a> Thinking<'a> {
    /// What the model thought, as it wants it back; `None` if it is not to be sent again.
    fn block(self) -> Option<Block<'a>> {
        let reasoning = match (self.thinking, self.data) {
            (Some(text), _) => Reasoning::ReasoningText(ReasoningText {
                text: text.0,
                signature: self.signature.map(|signature| signature.0),
            }),
            (None, Some(data)) => Reasoning::RedactedContent(data.0),
            (None, None) => return None,
        };
        Some(Block::ReasoningContent(reasoning))
    }
}

fn is_object(text: &str) -> bool {
    text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

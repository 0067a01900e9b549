//! The conversation: what stands before it, and turns of two roles that alternate.

use serde_json::value::RawValue;
use ziggurat_core::Failure;

use super::{
    input::{Call, Function, Message},
    parts::{blocks, invalid, is_string},
    wire::{Block, Content, Kind, Role, Text, Turn, Typed},
};
use crate::{
    names::{Names, clean},
    object::{Object, raw, string},
};

/// What stands in place of a text without anything to see, which is refused; as LiteLLM has it.
const EMPTY: &str = "[System: Empty message content sanitised to satisfy protocol]";

/// What comes before instructions that stand in the middle, where only users and models speak; as LiteLLM has it.
const NOTE: &str = "Operator note (not from the user): the following was originally a mid-conversation system-role \
                    reminder.";

/// A conversation in Anthropic's words.
#[derive(Default)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    /// Whether tools were called in it.
    pub(super) calls_tools: bool,
}

impl<'a> Conversation<'a> {
    /// Reads the messages of a request.
    ///
    /// # Errors
    ///
    /// The part that cannot be said in Anthropic's words.
    pub(super) fn read(messages: Option<&'a [u8]>, names: &mut Names) -> Result<Self, Failure> {
        let list = messages.map(serde_json::from_slice::<Vec<&RawValue>>);
        let Some(Ok(list)) = list else {
            return Err(invalid("messages", "are no list"));
        };
        let mut this = Self::default();
        for (index, message) in list.into_iter().enumerate() {
            let at = format!("messages[{index}]");
            let message: Result<Message<'a>, _> = serde_json::from_str(message.get());
            let message = message.map_err(|_| invalid(&at, "is no message"))?;
            this.message(message, &at, names)?;
        }
        if this.turns.is_empty() {
            return Err(invalid("messages", "need one of a user"));
        }
        // A turn that the model is to continue must not end with space.
        if let Some(last) = this.turns.last_mut()
            && last.role == Role::Assistant
            && let Some(Block::Typed(Typed {
                kind: Kind::Text { text },
                ..
            })) = last.content.last_mut()
        {
            text.trim_end();
        }
        Ok(this)
    }

    fn message(
        &mut self,
        message: Message<'a>,
        at: &str,
        names: &mut Names,
    ) -> Result<(), Failure> {
        let place = format!("{at}.content");
        match &*message.role {
            "system" | "developer" => self.system(&message, &place),
            "user" => {
                let mut content = content(&message, &place)?;
                if content.is_empty() {
                    content.push(Block::text(EMPTY));
                }
                self.say(Role::User, content);
                Ok(())
            }
            "assistant" => self.assistant(message, at, names),
            "tool" | "function" => {
                let result = result(message, at)?;
                self.result(result);
                Ok(())
            }
            _ => Err(invalid(&format!("{at}.role"), "is not one that is known")),
        }
    }

    fn system(&mut self, message: &Message<'a>, place: &str) -> Result<(), Failure> {
        let Some(content) = message.content else {
            return Ok(());
        };
        let blocks = blocks(content, place)?;
        let mut blocks: Vec<_> = blocks
            .into_iter()
            .filter(|block| !is_blank(block))
            .collect();
        mark(&mut blocks, message.cache_control);
        if self.turns.is_empty() {
            self.system.extend(blocks);
        } else if !blocks.is_empty() {
            blocks.insert(0, Block::text(NOTE));
            self.say(Role::User, blocks);
        }
        Ok(())
    }

    fn assistant(
        &mut self,
        message: Message<'a>,
        at: &str,
        names: &mut Names,
    ) -> Result<(), Failure> {
        let thinking = message.thinking_blocks.iter().flatten();
        let mut blocks: Vec<_> = thinking.map(|block| Block::Native(block)).collect();
        blocks.extend(content(&message, &format!("{at}.content"))?);
        for (index, call) in message.tool_calls.into_iter().flatten().enumerate() {
            let place = format!("{at}.tool_calls[{index}].function.arguments");
            blocks.push(tool_use(call, &place, names)?);
        }
        if let Some(function) = message.function_call {
            // The old form has no ids: the name links a call with its result.
            let call = Call {
                id: Some(function.name.clone()),
                function,
                cache_control: None,
            };
            let place = format!("{at}.function_call.arguments");
            blocks.push(tool_use(call, &place, names)?);
        }
        self.calls_tools |= blocks.iter().any(is_tool_use);
        if blocks.is_empty() {
            blocks.push(Block::text(EMPTY));
        }
        self.say(Role::Assistant, blocks);
        Ok(())
    }

    /// Adds to the last turn, or begins another.
    fn say(&mut self, role: Role, content: Vec<Block<'a>>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.content.extend(content),
            _ => self.turns.push(Turn { role, content }),
        }
    }

    /// Adds what a tool returned: first in its turn, after other results.
    fn result(&mut self, result: Block<'a>) {
        self.calls_tools = true;
        match self.turns.last_mut() {
            Some(turn) if turn.role == Role::User => {
                let others = turn.content.iter().rposition(Block::is_tool_result);
                turn.content.insert(others.map_or(0, |at| at + 1), result);
            }
            _ => self.say(Role::User, vec![result]),
        }
    }
}

/// The content of a message that is not the system's. Blank texts go, unless there is nothing else.
fn content<'a>(message: &Message<'a>, place: &str) -> Result<Vec<Block<'a>>, Failure> {
    let Some(content) = message.content else {
        return Ok(Vec::new());
    };
    let mut blocks = blocks(content, place)?;
    if !blocks.iter().all(is_blank) {
        blocks.retain(|block| !is_blank(block));
    } else if let Some(first) = blocks.first_mut() {
        *first = Block::text(EMPTY);
        blocks.truncate(1);
    }
    mark(&mut blocks, message.cache_control);
    Ok(blocks)
}

/// Marks the last block with what is said of the whole message.
fn mark<'a>(blocks: &mut Vec<Block<'a>>, cache_control: Option<&'a RawValue>) {
    if cache_control.is_some()
        && let Some(last) = blocks.pop()
    {
        blocks.push(last.cached(cache_control));
    }
}

fn is_blank(block: &Block<'_>) -> bool {
    match block {
        Block::Typed(Typed {
            kind: Kind::Text { text },
            ..
        }) => text.is_blank(),
        _ => false,
    }
}

fn is_tool_use(block: &Block<'_>) -> bool {
    matches!(
        block,
        Block::Typed(Typed {
            kind: Kind::ToolUse { .. },
            ..
        })
    )
}

fn tool_use<'a>(call: Call<'a>, place: &str, names: &mut Names) -> Result<Block<'a>, Failure> {
    let input = input(&call.function).ok_or_else(|| invalid(place, "are no JSON object"))?;
    let id = call.id.unwrap_or_default();
    let kind = Kind::ToolUse {
        id: clean(&id),
        name: names.sent(&call.function.name),
        input,
    };
    Ok(Block::of(kind).cached(call.cache_control))
}

/// The arguments of a call: an object, mostly in a string.
fn input(function: &Function<'_>) -> Option<Box<RawValue>> {
    let Some(arguments) = function.arguments else {
        return Some(raw("{}".to_owned()));
    };
    let text = match is_string(arguments) {
        true => string(arguments)?,
        false => arguments.get().to_owned(),
    };
    if text.trim().is_empty() {
        return Some(raw("{}".to_owned()));
    }
    let json = RawValue::from_string(text.trim().to_owned()).ok()?;
    Object::of(&json)?;
    Some(json)
}

fn result<'a>(message: Message<'a>, at: &str) -> Result<Block<'a>, Failure> {
    let Some(id) = message.tool_call_id.or(message.name) else {
        return Err(invalid(&format!("{at}.tool_call_id"), "is missing"));
    };
    let content = match message.content {
        None => Content::Text(Text::Made(String::new())),
        Some(content) if is_string(content) => Content::Text(Text::Raw(content)),
        Some(content) => {
            let blocks = blocks(content, &format!("{at}.content"))?;
            Content::Blocks(
                blocks
                    .into_iter()
                    .filter(|block| !is_blank(block))
                    .collect(),
            )
        }
    };
    let kind = Kind::ToolResult {
        tool_use_id: clean(&id),
        content,
    };
    Ok(Block::of(kind).cached(message.cache_control))
}

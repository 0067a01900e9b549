//! The conversation: what stands before it, and turns of two roles that alternate.

use std::borrow::Cow;

use serde_json::value::RawValue;
use ziggurat_core::Failure;
use ziggurat_provider::names::{CallIds, Names};

use super::{
    input::{Function, Message},
    parts::{blocks, invalid, is_string},
    wire::{Block, Content, Kind, Role, Text, Turn, Typed},
};
use crate::object::{Object, raw, string};

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

/// Makes a conversation, message by message.
struct Reader<'a, 'n> {
    conversation: Conversation<'a>,
    names: &'n Names,
    ids: CallIds,
}

/// Reads the messages of a request.
pub(super) fn read(messages: Option<&[u8]>) -> Result<Vec<Message<'_>>, Failure> {
    let list = messages.map(serde_json::from_slice::<Vec<&RawValue>>);
    let Some(Ok(list)) = list else {
        return Err(invalid("messages", "are no list"));
    };
    let list = list.into_iter().enumerate();
    list.map(|(index, message)| {
        let message = serde_json::from_str(message.get());
        message.map_err(|_| invalid(&format!("messages[{index}]"), "is no message"))
    })
    .collect()
}

/// Returns the names of the functions that were called.
pub(super) fn names<'m>(messages: &'m [Message<'_>]) -> impl Iterator<Item = &'m str> {
    messages.iter().flat_map(|message| {
        let calls = message.tool_calls.iter().flatten();
        let functions = calls.filter_map(|call| call.function.as_ref());
        let functions = functions.chain(&message.function_call);
        functions.map(|function| &*function.name)
    })
}

impl<'a> Conversation<'a> {
    /// Says messages in Anthropic's words.
    ///
    /// # Errors
    ///
    /// The part that cannot be said so.
    pub(super) fn of(messages: Vec<Message<'a>>, names: &Names) -> Result<Self, Failure> {
        let mut reader = Reader {
            conversation: Self::default(),
            names,
            // Anthropic tells no limit.
            ids: CallIds::new(usize::MAX),
        };
        for (index, message) in messages.into_iter().enumerate() {
            reader.message(message, &format!("messages[{index}]"))?;
        }
        let mut this = reader.conversation;
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

    /// Whether the model goes on after calls of tools that it did not think about, which it may not do
    /// with a budget for thoughts.
    pub(super) fn resumes_without_thoughts(&self) -> bool {
        let [.., calls, results] = &self.turns[..] else {
            return false;
        };
        results.content.iter().any(Block::is_tool_result)
            && !matches!(calls.content.first(), Some(Block::Thought(_)))
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

impl<'a> Reader<'a, '_> {
    fn message(&mut self, message: Message<'a>, at: &str) -> Result<(), Failure> {
        match &*message.role {
            "system" | "developer" => self.system(&message, &format!("{at}.content")),
            "user" => {
                let mut content = content(&message, at)?;
                if content.is_empty() {
                    content.push(Block::text(EMPTY));
                }
                self.conversation.say(Role::User, content);
                Ok(())
            }
            "assistant" => self.assistant(message, at),
            "tool" | "function" => self.result(message, at),
            _ => Err(invalid(&format!("{at}.role"), "is not one that is known")),
        }
    }

    fn system(&mut self, message: &Message<'a>, place: &str) -> Result<(), Failure> {
        let Some(content) = message.content else {
            return Ok(());
        };
        let mut blocks = instructions(content, place)?;
        mark(&mut blocks, message.cache_control);
        let conversation = &mut self.conversation;
        if conversation.turns.is_empty() {
            conversation.system.extend(blocks);
        } else if !blocks.is_empty() {
            blocks.insert(0, Block::text(NOTE));
            conversation.say(Role::User, blocks);
        }
        Ok(())
    }

    fn assistant(&mut self, message: Message<'a>, at: &str) -> Result<(), Failure> {
        if message.audio.is_some() {
            let what = "is what Anthropic's models do not hear";
            return Err(invalid(&format!("{at}.audio"), what));
        }
        let mut blocks = Vec::new();
        for (index, thought) in message.thinking_blocks.iter().flatten().enumerate() {
            let place = || format!("{at}.thinking_blocks[{index}]");
            let object = Object::of(thought);
            let object = object.ok_or_else(|| invalid(&place(), "is no object"))?;
            blocks.extend(self::thought(thought, &object));
        }
        blocks.extend(content(&message, at)?);
        for (index, call) in message.tool_calls.into_iter().flatten().enumerate() {
            let place = format!("{at}.tool_calls[{index}]");
            let Some(function) = call.function else {
                return Err(invalid(&place, "is no call of a function"));
            };
            let id = call.id.unwrap_or_default();
            let place = format!("{place}.function");
            let block = self.tool_use(&id, &function, &place)?;
            blocks.push(block.cached(call.cache_control));
        }
        if let Some(function) = message.function_call {
            // The old form has no ids: the name links a call with its result.
            let place = format!("{at}.function_call");
            blocks.push(self.tool_use(&function.name, &function, &place)?);
        }
        let conversation = &mut self.conversation;
        conversation.calls_tools |= blocks.iter().any(is_tool_use);
        if blocks.is_empty() {
            blocks.push(Block::text(EMPTY));
        }
        conversation.say(Role::Assistant, blocks);
        Ok(())
    }

    fn tool_use(
        &mut self,
        id: &str,
        function: &Function<'a>,
        place: &str,
    ) -> Result<Block<'a>, Failure> {
        let fault = || invalid(&format!("{place}.arguments"), "are no JSON object");
        Ok(Block::of(Kind::ToolUse {
            input: input(function).ok_or_else(fault)?,
            id: self.ids.call(id),
            name: self.names.sent(&function.name).to_owned(),
        }))
    }

    fn result(&mut self, message: Message<'a>, at: &str) -> Result<(), Failure> {
        let Some(id) = message.tool_call_id.or(message.name) else {
            return Err(invalid(&format!("{at}.tool_call_id"), "is missing"));
        };
        let content = match message.content {
            None => Content::Text(Text::Made(String::new())),
            Some(content) if is_string(content) => Content::Text(Text::Raw(content)),
            Some(content) => {
                let mut blocks = blocks(content, &format!("{at}.content"))?;
                blocks.retain(|block| !is_blank(block));
                Content::Blocks(blocks)
            }
        };
        let tool_use_id = self.ids.result(&id);
        let result = Block::of(Kind::ToolResult {
            tool_use_id,
            content,
        });
        self.conversation
            .result(result.cached(message.cache_control));
        Ok(())
    }
}

/// What the system says, without blank texts. `at` is its place in the request.
pub(super) fn instructions<'a>(content: &'a RawValue, at: &str) -> Result<Vec<Block<'a>>, Failure> {
    let mut blocks = blocks(content, at)?;
    if let Some(index) = blocks.iter().position(|block| !is_text(block)) {
        let place = format!("{at}[{index}]");
        return Err(invalid(
            &place,
            "is no text, and instructions have nothing else",
        ));
    }
    blocks.retain(|block| !is_blank(block));
    Ok(blocks)
}

/// The content of a message that is not the system's, and its refusal. Blank texts go, unless there is nothing else.
fn content<'a>(message: &Message<'a>, at: &str) -> Result<Vec<Block<'a>>, Failure> {
    let mut blocks = match message.content {
        Some(content) => blocks(content, &format!("{at}.content"))?,
        None => Vec::new(),
    };
    if let Some(refusal) = message.refusal {
        if !is_string(refusal) {
            return Err(invalid(&format!("{at}.refusal"), "is no text"));
        }
        let text = Text::Raw(refusal);
        blocks.push(Block::of(Kind::Text { text }));
    }
    if !blocks.iter().all(is_blank) {
        blocks.retain(|block| !is_blank(block));
    } else if let Some(first) = blocks.first_mut() {
        *first = Block::text(EMPTY);
        blocks.truncate(1);
    }
    mark(&mut blocks, message.cache_control);
    Ok(blocks)
}

/// What the model thought, as Anthropic wants it back; `None` of what another model thought, which has no signature.
fn thought<'a>(raw: &'a RawValue, object: &Object<'a>) -> Option<Block<'a>> {
    let is = |name, text| object.get(name).is_some_and(|value| value.get() == text);
    let signature = object.get("signature").filter(|it| is_string(it));
    let is_signed = signature.is_some_and(|signature| signature.get() != "\"\"");
    if is("type", "\"thinking\"") && !is_signed {
        return None;
    }
    // Streams of ours have it, for clients that add their deltas up.
    if object.get("index").is_none() {
        return Some(Block::Thought(Cow::Borrowed(raw)));
    }
    let members = object.0.iter().filter(|(name, _)| name != "index");
    let members = members.map(|(name, value)| (&**name, *value));
    let members = members.collect::<std::collections::BTreeMap<_, _>>();
    let json = serde_json::to_string(&members).expect("its keys are strings");
    Some(Block::Thought(Cow::Owned(crate::object::raw(json))))
}

/// Marks the last block with what is said of the whole message.
fn mark<'a>(blocks: &mut Vec<Block<'a>>, cache_control: Option<&'a RawValue>) {
    if cache_control.is_some()
        && let Some(last) = blocks.pop()
    {
        blocks.push(last.cached(cache_control));
    }
}

fn is_text(block: &Block<'_>) -> bool {
    matches!(
        block,
        Block::Typed(Typed {
            kind: Kind::Text { .. },
            ..
        })
    )
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

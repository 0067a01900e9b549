//! Messages, as turns of user and assistant.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use ziggurat_core::{Failure, json::Document};
use ziggurat_provider::names::{CallIds, Names};

use super::{
    LONGEST, Text,
    content::{self, Borrowed, Thinking},
    invalid, refusal, turns,
    turns::EMPTY,
    wire::{Block, Role, ToolResult, ToolUse, Turn},
};
use crate::model::{Model, Route};

/// What goes before instructions that come in the middle, where Bedrock has no place for them; as LiteLLM has it.
const NOTE: &str = "Operator note (not from the user): the following was originally a mid-conversation system-role \
                    reminder.";

/// The conversation as Converse has it.
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    role: Text<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    /// What the model said in place of a content.
    #[serde(borrow)]
    refusal: Option<Borrowed<'a>>,
    /// What it said aloud.
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
    #[serde(borrow)]
    tool_call_id: Option<Borrowed<'a>>,
    /// The name of a function whose result it is.
    #[serde(borrow)]
    name: Option<Borrowed<'a>>,
    #[serde(borrow)]
    thinking_blocks: Option<Vec<Thinking<'a>>>,
    cache_control: Option<Value>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Borrowed<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// Reads the messages of a request.
pub(super) fn read(document: &Document) -> Result<Vec<Message<'_>>, Failure> {
    let Some(messages) = document.get("messages") else {
        return Err(invalid("messages", "is missing"));
    };
    let list: Vec<&RawValue> = messages
        .decode()
        .map_err(|_| invalid("messages", "is not a list of messages"))?;
    let list = list.into_iter().enumerate();
    list.map(|(at, message)| {
        let message = serde_json::from_str(message.get());
        message.map_err(|_| invalid(&format!("messages[{at}]"), "is no message"))
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
    /// Says messages in Bedrock's words. Without tools in the request, calls and results become text: Bedrock takes them
    /// with tools only.
    pub(super) fn of(
        messages: Vec<Message<'a>>,
        names: &Names,
        has_tools: bool,
        model: &Model,
    ) -> Result<Self, Failure> {
        let mut reader = Reader {
            conversation: Self {
                system: Vec::new(),
                turns: Vec::new(),
            },
            names,
            ids: CallIds::new(LONGEST),
            has_tools,
            is_claude: model.is_claude(),
            route: model.route,
        };
        for (at, message) in messages.into_iter().enumerate() {
            reader.message(message, &format!("messages[{at}]"))?;
        }
        let mut this = reader.conversation;
        if this.turns.is_empty() {
            let what = "has nothing but instructions; Bedrock needs a user's";
            return Err(invalid("messages", what));
        }
        turns::finish(&mut this.turns, model.route);
        Ok(this)
    }

    /// Whether the model goes on after calls of tools that it did not think about, which it may not do
    /// with a budget for thoughts.
    pub(super) fn resumes_without_thoughts(&self) -> bool {
        let [.., calls, results] = &self.turns[..] else {
            return false;
        };
        matches!(results.content.first(), Some(Block::ToolResult(_)))
            && !matches!(calls.content.first(), Some(Block::ReasoningContent(_)))
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
}

struct Reader<'a, 'n> {
    conversation: Conversation<'a>,
    names: &'n Names,
    ids: CallIds,
    has_tools: bool,
    is_claude: bool,
    route: Route,
}

impl<'a> Reader<'a, '_> {
    fn message(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        let content = &format!("{path}.content");
        let is_cached = message.cache_control.is_some();
        match &*message.role {
            "system" | "developer" => return self.system(&message, content),
            "user" => {
                let turn = self.conversation.turn(Role::User);
                content::read(message.content, content, self.route, turn)?;
            }
            "assistant" => self.assistant(message, path)?,
            "tool" | "function" => self.result(message, path)?,
            other => {
                let known: String = other.chars().take(40).collect();
                let message = format!("{path}: Bedrock takes no message of role {known}");
                return Err(refusal(&format!("{path}.role"), message));
            }
        }
        if is_cached && let Some(turn) = self.conversation.turns.last_mut() {
            turn.content.push(Block::cache_point());
        }
        Ok(())
    }

    fn system(&mut self, message: &Message<'a>, path: &str) -> Result<(), Failure> {
        let mut blocks = Vec::new();
        content::read_text(message.content, path, &mut blocks)?;
        if blocks.is_empty() {
            return Ok(());
        }
        if message.cache_control.is_some() {
            blocks.push(Block::cache_point());
        }
        if self.conversation.turns.is_empty() {
            self.conversation.system.append(&mut blocks);
            return Ok(());
        }
        let turn = self.conversation.turn(Role::User);
        turn.push(Block::Text(NOTE.into()));
        turn.append(&mut blocks);
        Ok(())
    }

    fn assistant(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        if message.audio.is_some() {
            let what = "is what Bedrock's models do not hear";
            return Err(invalid(&format!("{path}.audio"), what));
        }
        let mut blocks = Vec::new();
        let thoughts = message.thinking_blocks.into_iter().flatten();
        // What another model thought has no signature, without which Claude takes no thoughts.
        let thoughts = thoughts.filter(|thought| !self.is_claude || thought.is_signed());
        blocks.extend(thoughts.filter_map(Thinking::block));
        let place = format!("{path}.content");
        content::read(message.content, &place, self.route, &mut blocks)?;
        if let Some(refusal) = message.refusal {
            content::push_text(refusal.0, &mut blocks);
        }
        for (at, call) in message.tool_calls.into_iter().flatten().enumerate() {
            let path = format!("{path}.tool_calls[{at}]");
            let Some(function) = call.function else {
                return Err(invalid(&path, "is no call of a function"));
            };
            let id = call.id.as_ref().map_or("", |id| &id.0);
            blocks.push(self.call(id, &function, &format!("{path}.function.arguments"))?);
        }
        if let Some(function) = message.function_call {
            // The old form has no ids: the name links a call with its result.
            let path = format!("{path}.function_call.arguments");
            blocks.push(self.call(&function.name, &function, &path)?);
        }
        self.conversation.turn(Role::Assistant).append(&mut blocks);
        Ok(())
    }

    /// A call of a function; `path` is that of its arguments.
    fn call(
        &mut self,
        id: &str,
        function: &Function<'a>,
        path: &str,
    ) -> Result<Block<'a>, Failure> {
        let fault = || invalid(path, "is no JSON object");
        let arguments = match function.arguments {
            None => "".into(),
            Some(text) if text.get().starts_with('"') => {
                let text: Borrowed<'a> = serde_json::from_str(text.get()).map_err(|_| fault())?;
                text.0
            }
            Some(object) => Text::Borrowed(object.get()),
        };
        if !self.has_tools {
            let name = &function.name;
            let text = format!("[tool call {name}({arguments})]");
            return Ok(Block::Text(text.into()));
        }
        let input = match arguments.trim() {
            "" => "{}".into(),
            text if is_object(text) => arguments,
            _ => return Err(fault()),
        };
        Ok(Block::ToolUse(ToolUse {
            tool_use_id: self.ids.call(id),
            name: self.names.sent(&function.name).to_owned(),
            input,
        }))
    }

    fn result(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        let Some(id) = message.tool_call_id.or(message.name) else {
            return Err(invalid(&format!("{path}.tool_call_id"), "is missing"));
        };
        let mut content = Vec::new();
        let place = format!("{path}.content");
        content::read(message.content, &place, self.route, &mut content)?;
        let turn = self.conversation.turn(Role::User);
        if !self.has_tools {
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
            tool_use_id: self.ids.result(&id.0),
            content,
        }));
        if is_cached {
            turn.push(Block::cache_point());
        }
        Ok(())
    }
}

fn is_object(text: &str) -> bool {
    text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

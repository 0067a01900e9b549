//! Conversations.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::Failure;
use ziggurat_provider::params::{self, refusal};

use super::{
    calls::{self, Called, Calls, Outcome},
    content::{self, Takes},
    parts::{Content, Data, Part},
};
use crate::{Face, model::Generation, names::Names, template::Template, text::JsonText};

/// What separates an id that we made from the signature of the thoughts before the call.
pub(crate) const SIGNATURE: &str = "__thought__";

/// Takes the place of a signature that is not known, in Google's own words.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

pub(super) struct Conversation<'a> {
    pub(super) contents: Vec<Content<'a>>,
    pub(super) system: Vec<Part<'a>>,
}

/// A text that borrows also where it is optional.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Text<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    /// What a model said in place of an answer.
    #[serde(borrow)]
    refusal: Option<JsonText<'a>>,
    /// The sound of an answer, by its id.
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
    #[serde(borrow)]
    tool_call_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    function: Function<'a>,
    #[serde(borrow)]
    provider_specific_fields: Option<Specific<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    provider_specific_fields: Option<Specific<'a>>,
}

#[derive(Deserialize)]
struct Specific<'a> {
    #[serde(borrow)]
    thought_signature: Option<Text<'a>>,
}

/// Reads the messages of a request.
pub(super) fn read<'a>(
    raw: &'a [u8],
    template: &Template,
    names: &mut Names,
) -> Result<Conversation<'a>, Failure> {
    let messages: Vec<Message<'a>> = params::list(raw, "messages")?;
    if messages.is_empty() {
        return Err(refusal("messages", "messages must not be empty"));
    }
    let mut reader = Reader {
        face: template.face,
        needs_signature: template.model.generation == Generation::Three,
        names,
        calls: Calls::default(),
        contents: Vec::new(),
        system: Vec::new(),
    };
    for (at, message) in messages.into_iter().enumerate() {
        reader.message(message, &format!("messages[{at}]"))?;
    }
    Ok(reader.finish())
}

struct Reader<'a, 'n> {
    face: Face,
    needs_signature: bool,
    names: &'n mut Names,
    calls: Calls<'a>,
    contents: Vec<Content<'a>>,
    system: Vec<Part<'a>>,
}

impl<'a> Reader<'a, '_> {
    fn message(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        match &*message.role.0 {
            "system" | "developer" => {
                let parts = content::read(message.content, path, Takes::Text, self.face)?;
                self.system.extend(content::joined(parts).map(Part::text));
                Ok(())
            }
            "user" => {
                let parts = content::read(message.content, path, Takes::All, self.face)?;
                self.user(parts);
                Ok(())
            }
            "assistant" => self.assistant(message, path),
            "tool" | "function" => self.result(message, path),
            _ => {
                let path = format!("{path}.role");
                let message = format!("{path} is none of system, developer, user, assistant, tool");
                Err(refusal(&path, message))
            }
        }
    }

    fn assistant(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        if message.audio.is_some() {
            let path = format!("{path}.audio");
            let message = format!("{path}: Gemini models do not know earlier answers by ids");
            return Err(refusal(&path, message));
        }
        let mut parts = content::read(message.content, path, Takes::All, self.face)?;
        let refusal = message.refusal.filter(|text| !text.is_empty());
        parts.extend(refusal.map(Part::text));
        let path = format!("{path}.tool_calls");
        let tool_calls = message.tool_calls.map(RawValue::get);
        let tool_calls: Vec<Call<'a>> = match tool_calls {
            Some(tool_calls) => params::list(tool_calls.as_bytes(), &path)?,
            None => Vec::new(),
        };
        if parts.is_empty() && tool_calls.is_empty() && message.function_call.is_none() {
            return Ok(());
        }
        let turn = self.model(parts);
        for (at, call) in tool_calls.into_iter().enumerate() {
            let path = format!("{path}[{at}]");
            let specific = [
                call.provider_specific_fields,
                call.function.provider_specific_fields,
            ];
            let said = specific
                .into_iter()
                .flatten()
                .find_map(|it| it.thought_signature);
            let id = call.id.map(|id| id.0);
            let in_id = id.as_deref().and_then(calls::signature);
            let in_id = in_id.map(|signature| Cow::Owned(signature.to_owned()));
            let signature = said.map(|text| text.0).or(in_id);
            let (name, arguments) = (call.function.name.0, call.function.arguments);
            let args = calls::arguments(arguments, &format!("{path}.function"))?;
            self.call(id, name, args, signature, turn, at == 0);
        }
        if let Some(function) = message.function_call {
            let path = path.replace("tool_calls", "function_call");
            let args = calls::arguments(function.arguments, &path)?;
            self.call(None, function.name.0, args, None, turn, true);
        }
        Ok(())
    }

    /// Adds a call to a turn of the model.
    fn call(
        &mut self,
        id: Option<Cow<'a, str>>,
        name: Cow<'a, str>,
        args: Box<RawValue>,
        signature: Option<Cow<'a, str>>,
        turn: usize,
        is_first: bool,
    ) {
        let name = self.names.google(name);
        let id = id.unwrap_or_else(|| name.clone());
        // The turn behind the model's is that of the results.
        self.calls.note(&id, name.clone(), turn + 1);
        if self.contents.len() == turn + 1 {
            self.contents.push(Content::results());
        }
        // Of calls at once, only the first has one.
        let stand_in = (self.needs_signature && is_first).then_some(NO_SIGNATURE.into());
        self.contents[turn].parts.push(Part {
            data: Data::FunctionCall { name, args },
            signature: signature.or(stand_in),
            order: 0,
        });
    }

    fn result(&mut self, message: Message<'a>, path: &str) -> Result<(), Failure> {
        let named = message.name.map(|name| self.names.google(name.0));
        let id = message.tool_call_id.as_ref().map(|id| &*id.0);
        let called = id.or(named.as_deref()).map(|id| self.calls.answered(id));
        let called = match called.flatten() {
            Some(called) => called,
            None => Called {
                name: named.ok_or_else(|| {
                    let path = format!("{path}.tool_call_id");
                    let message = format!("{path} names no call of an earlier message");
                    refusal(&path, message)
                })?,
                turn: self.last_results(),
                order: usize::MAX,
            },
        };
        let parts = content::read(message.content, path, Takes::All, self.face)?;
        let (texts, media): (Vec<_>, Vec<_>) = parts.into_iter().partition(Part::is_text);
        let result = Data::FunctionResponse {
            name: called.name,
            response: Outcome::of(content::joined(texts)),
        };
        let parts = std::iter::once(result.into()).chain(media);
        let results = parts.map(|part: Part<'a>| Part {
            order: called.order,
            ..part
        });
        self.contents[called.turn].parts.extend(results);
        Ok(())
    }

    /// The last turn, if it is one of results, else a new one.
    fn last_results(&mut self) -> usize {
        if !self.contents.last().is_some_and(|last| last.has_results) {
            self.contents.push(Content::results());
        }
        self.contents.len() - 1
    }

    /// Adds to the turn of the user, or a new one. Results of functions stay apart.
    fn user(&mut self, mut parts: Vec<Part<'a>>) {
        match self.contents.last_mut() {
            Some(last) if last.role == "user" && !last.has_results => last.parts.append(&mut parts),
            _ => self.contents.push(Content::new("user", parts)),
        }
    }

    /// Adds to the turn of the model, or a new one; says which it is. One that waits for results goes on.
    fn model(&mut self, parts: Vec<Part<'a>>) -> usize {
        let waits = |last: &&Content<'_>| last.has_results && last.parts.is_empty();
        let after = self.contents.len() - usize::from(self.contents.last().filter(waits).is_some());
        match after.checked_sub(1) {
            Some(turn) if self.contents[turn].role == "model" => {
                self.contents[turn].parts.extend(parts);
                turn
            }
            _ => {
                self.contents.push(Content::new("model", parts));
                self.contents.len() - 1
            }
        }
    }

    /// Makes the conversation one that Google takes: with a turn of the user's, a text in each, and results in the order of
    /// the calls.
    fn finish(mut self) -> Conversation<'a> {
        let contents = &mut self.contents;
        for content in contents.iter_mut() {
            let needs_text = content.role == "user" && !content.has_results;
            if needs_text && !content.parts.iter().any(Part::is_text) {
                content.parts.push(Part::text(JsonText::blank()));
            }
            content.parts.sort_by_key(|part| part.order);
        }
        contents.retain(|content| !content.parts.is_empty());
        if !contents.iter().any(|content| content.role == "user") {
            contents.push(Content::new("user", vec![Part::text(JsonText::blank())]));
        }
        Conversation {
            contents: self.contents,
            system: self.system,
        }
    }
}

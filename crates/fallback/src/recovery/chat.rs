//! Chunks of chat and completions.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;
use ziggurat_core::json::is_said;

use super::{
    json::{self, Members},
    splice::Fate,
    thoughts::{self, Thoughts},
    transcript::{Diverged, Part, Transcript},
};

/// The members of a delta that are texts, in the order in which models say them.
const TEXTS: [&str; 4] = ["reasoning_content", "reasoning", "refusal", "content"];

#[derive(Default)]
pub(super) struct Chat {
    /// What the chunks of one stream have in common: the first one's `id` and `created`.
    first: [Option<Value>; 2],
    thoughts: Thoughts,
}

// === impl Chat ===

impl Chat {
    pub(super) fn restart(&mut self, known: &mut Transcript) {
        self.thoughts.drop_held(known);
    }

    pub(super) fn read(
        &mut self,
        event: &Bytes,
        data: &[u8],
        known: &mut Transcript,
    ) -> Result<Fate, Diverged> {
        if data.trim_ascii() == b"[DONE]" {
            return match known.is_repeated() {
                true => Ok(Fate::Last(event.clone())),
                false => Err(Diverged),
            };
        }
        let chunk = json::object(data).filter(|it| it.contains_key("choices"));
        let Some(mut chunk) = chunk else {
            known.lose()?;
            return Ok(Fate::Passes);
        };
        let passes = self.chunk(&mut chunk, known)?;
        Ok(match (known.goes_on(), passes) {
            (false, _) => Fate::Passes,
            (true, true) => Fate::Instead(print(&chunk)),
            (true, false) => Fate::Known,
        })
    }

    /// Returns what was said, if it is nothing but the beginning of a message.
    pub(super) fn said(known: &Transcript) -> Option<&str> {
        known.only(&[], &Part::Text("content".to_owned()))
    }

    /// Takes what the client has out of a chunk; says whether there is anything else in it.
    fn chunk(&mut self, chunk: &mut Members, known: &mut Transcript) -> Result<bool, Diverged> {
        for (name, kept) in ["id", "created"].into_iter().zip(&mut self.first) {
            match (kept, known.goes_on()) {
                (Some(kept), true) => drop(chunk.insert(name.to_owned(), kept.clone())),
                (kept @ None, _) => *kept = chunk.get(name).cloned(),
                (Some(_), false) => {}
            }
        }
        let choices = match chunk.get_mut("choices") {
            Some(Value::Array(choices)) if !choices.is_empty() => choices,
            Some(other) if !json::is_empty(other) => {
                known.lose()?;
                return Ok(true);
            }
            _ => return Ok(true),
        };
        let mut new = Vec::with_capacity(choices.len());
        for mut choice in std::mem::take(choices) {
            let is_new = match &mut choice {
                Value::Object(members) => Choices(known, &mut self.thoughts).choice(members)?,
                _ => {
                    known.lose()?;
                    true
                }
            };
            if is_new {
                new.push(choice);
            }
        }
        let passes = !new.is_empty();
        *choices = new;
        let tells_usage = chunk.get("usage").is_some_and(|usage| !usage.is_null());
        Ok(passes || tells_usage && known.is_repeated())
    }
}

/// The choices of a chunk, beside what the client knows.
struct Choices<'a>(&'a mut Transcript, &'a mut Thoughts);

// === impl Choices ===

impl Choices<'_> {
    /// Takes what the client has out of a choice; says whether there is anything else in it.
    fn choice(&mut self, choice: &mut Members) -> Result<bool, Diverged> {
        let mut told = Told::default();
        let Some(index) = json::index(choice, "index") else {
            self.lose(&mut told)?;
            return Ok(true);
        };
        if let Some(text) = choice.get_mut("text") {
            self.text(index, "text", text, &mut told)?;
        }
        let mut alone = thoughts::Alone::default();
        match choice.get_mut("delta") {
            Some(Value::Object(delta)) => {
                alone = thoughts::stand_alone(delta);
                self.delta(index, delta, &mut told)?;
            }
            None | Some(Value::Null) => {}
            Some(_) => self.lose(&mut told)?,
        }
        if let Some(reason) = choice.get_mut("finish_reason") {
            if !reason.is_object() && !reason.is_array() && !is_said(&reason.to_string()) {
                *reason = Value::Null;
            }
            self.piece(index, &Part::Finish, reason, &mut told)?;
            if reason.as_str() == Some("") {
                *reason = Value::Null;
            }
        }
        if told.known
            && let Some(logprobs) = choice.get_mut("logprobs")
        {
            // They are those of the whole text.
            *logprobs = Value::Null;
        }
        let thinks = self.1.read(index, choice, alone, self.0)?;
        if told.new && self.0.goes_on() {
            self.0.leave(index, thoughts::LISTS.len())?;
        }
        Ok(told.new || thinks)
    }

    fn delta(&mut self, index: u64, delta: &mut Members, told: &mut Told) -> Result<(), Diverged> {
        delta.remove("role");
        for name in TEXTS {
            if let Some(text) = delta.get_mut(name) {
                self.text(index, name, text, told)?;
            }
        }
        match delta.get_mut("tool_calls") {
            Some(Value::Array(calls)) => self.calls(index, calls, told)?,
            None | Some(Value::Null) => {}
            Some(_) => self.lose(told)?,
        }
        let is_other = |name: &str| {
            name != "tool_calls" && !TEXTS.contains(&name) && !thoughts::LISTS.contains(&name)
        };
        let others = delta.iter_mut().filter(|(name, _)| is_other(name));
        for (name, value) in others {
            if json::is_empty(value) {
                continue;
            }
            let part = Part::Whole(name.clone());
            let text = value.to_string();
            match told.note(self.0.take(index, &part, &text)?, text.len()) {
                0 => {}
                _ => *value = Value::Null,
            }
        }
        Ok(())
    }

    /// Takes what the client has out of calls of tools. Those that it knows keep the id that it knows.
    fn calls(
        &mut self,
        index: u64,
        calls: &mut Vec<Value>,
        told: &mut Told,
    ) -> Result<(), Diverged> {
        let mut new = Vec::with_capacity(calls.len());
        for mut value in std::mem::take(calls) {
            let mut of_call = Told::default();
            match &mut value {
                Value::Object(call) => self.call(index, call, &mut of_call)?,
                _ => self.lose(&mut of_call)?,
            }
            told.known |= of_call.known;
            if of_call.new {
                told.new = true;
                new.push(value);
            }
        }
        *calls = new;
        Ok(())
    }

    fn call(&mut self, index: u64, call: &mut Members, told: &mut Told) -> Result<(), Diverged> {
        let Some(number) = json::index(call, "index") else {
            return self.lose(told);
        };
        let is_known = self.0.knows_call(index, number);
        if let Some(Value::Object(function)) = call.get_mut("function") {
            let parts = [
                ("name", Part::ToolName(number)),
                ("arguments", Part::ToolArguments(number)),
            ];
            for (name, part) in parts {
                if let Some(text) = function.get_mut(name) {
                    self.piece(index, &part, text, told)?;
                }
            }
            if told.known {
                function.retain(|_, text| text.as_str() != Some(""));
            }
        } else if !is_bare(call) {
            self.lose(told)?;
        }
        if is_known {
            call.retain(|name, _| name != "id" && name != "type");
        }
        Ok(())
    }

    /// Passes what cannot be compared, and keeps no more.
    fn lose(&mut self, told: &mut Told) -> Result<(), Diverged> {
        told.new = true;
        self.0.lose()
    }

    fn text(
        &mut self,
        index: u64,
        name: &str,
        text: &mut Value,
        told: &mut Told,
    ) -> Result<(), Diverged> {
        self.piece(index, &Part::Text(name.to_owned()), text, told)
    }

    /// Takes what the client has out of a piece of text.
    fn piece(
        &mut self,
        index: u64,
        part: &Part,
        value: &mut Value,
        told: &mut Told,
    ) -> Result<(), Diverged> {
        let text = match value {
            Value::String(text) => text,
            Value::Null => return Ok(()),
            _ => return self.lose(told),
        };
        let known = told.note(self.0.take(index, part, text)?, text.len());
        drop(text.drain(..known));
        Ok(())
    }
}

/// Whether a part of a chunk is known to the client, and whether one is new.
#[derive(Clone, Copy, Default)]
struct Told {
    known: bool,
    new: bool,
}

// === impl Told ===

impl Told {
    /// Takes down that so many bytes are known, of all; returns their number.
    fn note(&mut self, known: usize, all: usize) -> usize {
        self.known |= known > 0;
        self.new |= known < all;
        known
    }
}

/// Says whether nothing is said of a call but which one it is.
fn is_bare(call: &Members) -> bool {
    let mut members = call.iter();
    members.all(|(name, value)| matches!(&**name, "id" | "index" | "type") || json::is_empty(value))
}

fn print(chunk: &Members) -> Bytes {
    let mut out = BytesMut::from(&b"data: "[..]);
    json::write(&mut out, chunk);
    out.put_slice(b"\n\n");
    out.freeze()
}

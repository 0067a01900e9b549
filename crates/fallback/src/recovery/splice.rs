use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value};

use super::{
    events::{Cutter, data},
    transcript::{Diverged, Part, Transcript},
};

/// How much of a stream is kept, about: 1 MiB, more than models say in one answer. A stream that says more is not
/// recovered.
pub const MAX_KEPT: usize = 1024 * 1024;

/// The members of a delta that are texts, in the order in which models say them.
const TEXTS: [&str; 4] = ["reasoning_content", "reasoning", "refusal", "content"];

/// Puts the answer that goes on behind what the client has of the one that broke, so that both look like one stream.
#[derive(Default)]
pub(super) struct Splice {
    cutter: Cutter,
    transcript: Transcript,
    /// What the chunks of one stream have in common: the first one's `id` and `created`.
    head: [Option<Value>; 2],
    /// Whether another answer goes on. The events of the first pass as they are.
    goes_on: bool,
    /// Whether the stream can no longer be recovered: it says too much, or what is not understood.
    is_lost: bool,
    is_done: bool,
}

/// The events that the client gets. One alone is not copied.
#[derive(Default)]
struct Out {
    first: Bytes,
    all: BytesMut,
}

// === impl Splice ===

impl Splice {
    /// Reads a frame; returns what the client gets of it.
    pub(super) fn read(&mut self, frame: Bytes) -> Result<Bytes, Diverged> {
        let mut out = Out::default();
        self.cutter.push(frame);
        while let Some(event) = self.cutter.next() {
            if let Some(event) = self.event(event)? {
                out.push(event);
            }
        }
        if self.transcript.size() + self.cutter.held() > MAX_KEPT {
            self.lose()?;
        }
        if self.is_lost && !self.goes_on {
            out.push(self.cutter.rest());
        }
        Ok(out.into_bytes())
    }

    /// Ends an answer in good order.
    pub(super) fn end(&mut self) -> Result<Bytes, Diverged> {
        if !self.is_repeated() {
            return Err(Diverged);
        }
        match (self.cutter.rest(), self.goes_on) {
            (rest, false) => Ok(rest),
            (_, true) => Ok(Bytes::new()),
        }
    }

    /// Expects another answer, which is to say the same from its beginning.
    pub(super) fn restart(&mut self) {
        self.cutter = Cutter::default();
        self.transcript.rewind();
        self.goes_on = true;
    }

    /// Expects what comes after all that the client has.
    pub(super) fn go_on(&mut self) {
        self.cutter = Cutter::default();
        self.transcript.wind_on();
        self.goes_on = true;
    }

    /// Returns what was said, if it is nothing but the beginning of a message.
    pub(super) fn said(&self) -> Option<&str> {
        let said = self.transcript.only(&Part::Text("content".to_owned()))?;
        // Anthropic refuses a message that ends with spaces, others go on after them as after none.
        (!said.ends_with(char::is_whitespace)).then_some(said)
    }

    /// Says whether the client would gain from another answer, and what it has can be compared with it.
    pub(super) const fn is_recoverable(&self) -> bool {
        !self.is_lost && !self.is_done
    }

    /// Says whether all that the client has was repeated.
    pub(super) fn is_repeated(&self) -> bool {
        self.is_lost || self.transcript.is_repeated()
    }

    /// Keeps no more, unless what was kept is still needed.
    fn lose(&mut self) -> Result<(), Diverged> {
        if !self.is_repeated() {
            return Err(Diverged);
        }
        self.is_lost = true;
        self.transcript = Transcript::default();
        Ok(())
    }

    /// Reads an event; returns what the client gets of it.
    fn event(&mut self, event: Bytes) -> Result<Option<Bytes>, Diverged> {
        if self.is_lost && !self.goes_on {
            return Ok(Some(event));
        }
        let Some(data) = data(&event) else {
            return Ok(Some(event));
        };
        if data.trim_ascii() == b"[DONE]" {
            if !self.is_repeated() {
                return Err(Diverged);
            }
            self.is_done = true;
            return Ok(Some(event));
        }
        let chunk = serde_json::from_slice(&data).ok();
        let Some(mut chunk) = chunk.filter(|it: &Map<_, _>| it.contains_key("choices")) else {
            self.lose()?;
            return Ok(Some(event));
        };
        let passes = self.chunk(&mut chunk)?;
        Ok(match (self.goes_on, passes) {
            (false, _) => Some(event),
            (true, true) => Some(print(&chunk)),
            (true, false) => None,
        })
    }

    /// Takes what the client has out of a chunk; says whether there is anything else in it.
    fn chunk(&mut self, chunk: &mut Map<String, Value>) -> Result<bool, Diverged> {
        for (name, kept) in ["id", "created"].into_iter().zip(&mut self.head) {
            match (kept, self.goes_on) {
                (Some(kept), true) => drop(chunk.insert(name.to_owned(), kept.clone())),
                (kept @ None, _) => *kept = chunk.get(name).cloned(),
                (Some(_), false) => {}
            }
        }
        let Some(Value::Array(choices)) = chunk.get_mut("choices") else {
            return Ok(true);
        };
        if choices.is_empty() {
            return Ok(true);
        }
        let mut new = Vec::with_capacity(choices.len());
        for mut choice in std::mem::take(choices) {
            let Value::Object(members) = &mut choice else {
                return Err(Diverged);
            };
            if self.choice(members)? {
                new.push(choice);
            }
        }
        let passes = !new.is_empty();
        *choices = new;
        let tells_usage = chunk.get("usage").is_some_and(|usage| !usage.is_null());
        Ok(passes || tells_usage && self.is_repeated())
    }

    /// Takes what the client has out of a choice; says whether there is anything else in it.
    fn choice(&mut self, choice: &mut Map<String, Value>) -> Result<bool, Diverged> {
        let index = number(choice, "index");
        let mut told = Told::default();
        if let Some(text) = choice.get_mut("text") {
            self.text(index, "text", text, &mut told)?;
        }
        if let Some(Value::Object(delta)) = choice.get_mut("delta") {
            self.delta(index, delta, &mut told)?;
        }
        if let Some(reason @ Value::String(_)) = choice.get_mut("finish_reason") {
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
        Ok(told.new)
    }

    fn delta(
        &mut self,
        index: u64,
        delta: &mut Map<String, Value>,
        told: &mut Told,
    ) -> Result<(), Diverged> {
        delta.remove("role");
        for name in TEXTS {
            if let Some(text) = delta.get_mut(name) {
                self.text(index, name, text, told)?;
            }
        }
        if let Some(Value::Array(calls)) = delta.get_mut("tool_calls") {
            self.calls(index, calls, told)?;
        }
        let is_other = |name: &str| name != "tool_calls" && !TEXTS.contains(&name);
        let others = delta.iter_mut().filter(|(name, _)| is_other(name));
        for (name, value) in others {
            if is_empty(value) {
                continue;
            }
            let part = Part::Whole(name.clone());
            let text = value.to_string();
            match told.note(self.transcript(index, &part, &text)?, text.len()) {
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
            let Value::Object(call) = &mut value else {
                return Err(Diverged);
            };
            let number = number(call, "index");
            let is_known = self.transcript.knows_call(index, number);
            let mut of_call = Told::default();
            if let Some(Value::Object(function)) = call.get_mut("function") {
                let parts = [
                    ("name", Part::ToolName(number)),
                    ("arguments", Part::ToolArguments(number)),
                ];
                for (name, part) in parts {
                    if let Some(text) = function.get_mut(name) {
                        self.piece(index, &part, text, &mut of_call)?;
                    }
                }
                if of_call.known {
                    function.retain(|_, text| text.as_str() != Some(""));
                }
            }
            if is_known {
                call.retain(|name, _| name != "id" && name != "type");
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
        let Value::String(text) = value else {
            return match value {
                Value::Null => Ok(()),
                _ => Err(Diverged),
            };
        };
        let known = told.note(self.transcript(index, part, text)?, text.len());
        drop(text.drain(..known));
        Ok(())
    }

    fn transcript(&mut self, index: u64, part: &Part, text: &str) -> Result<usize, Diverged> {
        match self.is_lost {
            true => Ok(0),
            false => self.transcript.take(index, part, text),
        }
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

// === impl Out ===

impl Out {
    fn push(&mut self, event: Bytes) {
        if self.first.is_empty() && self.all.is_empty() {
            self.first = event;
            return;
        }
        self.all.extend_from_slice(&std::mem::take(&mut self.first));
        self.all.extend_from_slice(&event);
    }

    fn into_bytes(self) -> Bytes {
        match self.all.is_empty() {
            true => self.first,
            false => self.all.freeze(),
        }
    }
}

fn number(members: &Map<String, Value>, name: &str) -> u64 {
    members.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn print(chunk: &Map<String, Value>) -> Bytes {
    let mut out = BytesMut::from(&b"data: "[..]).writer();
    serde_json::to_writer(&mut out, chunk).expect("what was read can be written");
    let mut out = out.into_inner();
    out.put_slice(b"\n\n");
    out.freeze()
}

//! Events of OpenAI's Responses.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::Value;

use super::{
    json::{self, Members, core, members, number, string},
    splice::Fate,
    transcript::{Diverged, Part, Transcript},
};

/// Names longer than this are not kept. OpenAI's have some 50 bytes, those of gateways several times that.
const LONGEST_ID: usize = 512;

/// Where in a response something is said: in which item, and in which part of that.
const PLACES: [&str; 2] = ["output_index", "content_index"];

/// What a response and its items are known by.
#[derive(Default)]
pub(super) struct Responses {
    /// The `id` and `created_at` of the first response.
    head: Option<[Option<Value>; 2]>,
    /// The ids of items, by their place.
    items: HashMap<u64, Value>,
    /// The number of the last event that the client has got.
    last: Option<u64>,
}

// === impl Responses ===

impl Responses {
    pub(super) fn read(
        &mut self,
        event: &Bytes,
        data: &[u8],
        known: &mut Transcript,
    ) -> Result<Fate, Diverged> {
        let Some(mut said) = json::object(data) else {
            known.lose()?;
            return Ok(Fate::Passes);
        };
        if PLACES.iter().any(|name| json::index(&said, name).is_none()) {
            known.lose()?;
        }
        let kind = string(&said, "type").unwrap_or_default().to_owned();
        let is_last = matches!(&*kind, "response.completed" | "response.incomplete");
        let is_new = match &*kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.begin(&mut said, known)?
            }
            "response.output_item.added" => self.item(&said, known)?,
            "response.output_text.delta" | "response.refusal.delta" => {
                piece(&kind, &mut said, known)?
            }
            "response.content_part.added" => whole(&kind, "part", &said, known)?,
            "response.output_text.annotation.added" => whole(&kind, "annotation", &said, known)?,
            // They say again what was said in pieces.
            "response.output_text.done"
            | "response.refusal.done"
            | "response.content_part.done"
            | "response.output_item.done" => known.is_new(&part(&kind, &said), "done")?,
            _ if is_last && !known.is_repeated() => return Err(Diverged),
            _ if is_last => true,
            // A call or a thought, whose ids mean something to the one who gave them.
            _ => {
                known.lose()?;
                true
            }
        };
        if !known.goes_on() {
            self.last = said
                .get("sequence_number")
                .and_then(Value::as_u64)
                .or(self.last);
        }
        Ok(match (known.goes_on(), is_new) {
            (false, _) if is_last => Fate::Last(event.clone()),
            (false, _) => Fate::Passes,
            (true, false) => Fate::Known,
            (true, true) => {
                self.rename(&mut said);
                match (json::event(&kind, &said), is_last) {
                    (event, true) => Fate::Last(event),
                    (event, false) => Fate::Instead(event),
                }
            }
        })
    }

    /// Reads how a response begins. The client knows one by the id that it heard first.
    fn begin(&mut self, said: &mut Members, known: &mut Transcript) -> Result<bool, Diverged> {
        if self.head.is_some() {
            return Ok(!known.goes_on());
        }
        let response = said.get("response");
        let head = ["id", "created_at"].map(|name| response?.get(name).cloned());
        for value in head.iter().flatten() {
            keep(value, known)?;
        }
        self.head = Some(head);
        Ok(true)
    }

    /// Reads how an item begins.
    fn item(&mut self, said: &Members, known: &mut Transcript) -> Result<bool, Diverged> {
        let (index, item) = (number(said, "output_index"), said.get("item"));
        let member = |name: &str| item.and_then(|item| item.get(name));
        if member("type").and_then(Value::as_str) != Some("message") {
            known.lose()?;
            return Ok(true);
        }
        let kind = "response.output_item.added";
        let is_new = known.is_new(&part(kind, said), &core(item, &["id", "status"]))?;
        if let Some(id) = member("id").filter(|_| is_new && !known.is_lost()) {
            keep(id, known)?;
            self.items.insert(index, id.clone());
        }
        Ok(is_new)
    }

    /// Gives an event the ids that the client knows, and the next number.
    fn rename(&mut self, said: &mut Members) {
        if let Some(last) = &mut self.last {
            *last = last.saturating_add(1);
            said.insert("sequence_number".to_owned(), (*last).into());
        }
        if let Some(id) = self.items.get(&number(said, "output_index")) {
            replace(said, "item_id", id);
            if let Some(item) = members(said, "item") {
                replace(item, "id", id);
            }
        }
        let Some(response) = members(said, "response") else {
            return;
        };
        let head = self.head.iter().flatten();
        for (name, value) in ["id", "created_at"].into_iter().zip(head) {
            if let Some(value) = value {
                replace(response, name, value);
            }
        }
        let output = response.get_mut("output").and_then(Value::as_array_mut);
        for (index, item) in (0..).zip(output.into_iter().flatten()) {
            if let (Some(id), Some(item)) = (self.items.get(&index), item.as_object_mut()) {
                replace(item, "id", id);
            }
        }
    }
}

/// Reads a piece of a text, and takes what the client has out of it.
fn piece(kind: &str, said: &mut Members, known: &mut Transcript) -> Result<bool, Diverged> {
    let place = place(said);
    let Some(Value::String(text)) = said.get_mut("delta") else {
        known.lose()?;
        return Ok(true);
    };
    let length = text.len();
    let taken = known.take(0, &Part::Piece(place, kind.to_owned()), text)?;
    drop(text.drain(..taken));
    if taken > 0 {
        // They are those of the whole piece.
        replace(said, "logprobs", &Value::Array(Vec::new()));
    }
    Ok(taken < length)
}

/// Reads what is said at once, in this member.
fn whole(kind: &str, name: &str, said: &Members, known: &mut Transcript) -> Result<bool, Diverged> {
    let value = said.get(name);
    if !value.is_some_and(Value::is_object) {
        known.lose()?;
    }
    known.is_new(&part(kind, said), &core(value, &[]))
}

fn part(kind: &str, said: &Members) -> Part {
    Part::Block(place(said), kind.to_owned())
}

fn place(said: &Members) -> [u64; 2] {
    PLACES.map(|name| number(said, name))
}

fn replace(members: &mut Members, name: &str, value: &Value) {
    if let Some(member) = members.get_mut(name) {
        member.clone_from(value);
    }
}

fn keep(value: &Value, known: &mut Transcript) -> Result<(), Diverged> {
    let length = match value {
        Value::String(id) => id.len(),
        Value::Array(_) | Value::Object(_) => usize::MAX,
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    match length > LONGEST_ID {
        true => known.lose(),
        false => {
            known.keep(size_of::<Value>() + length);
            Ok(())
        }
    }
}

//! Lists of thoughts in the deltas of chat. Each goes on beside the message, however that is cut: most say once more what a
//! text of the delta says, with what the provider needs to believe it.

use serde_json::Value;

use super::{
    json::{self, Members},
    transcript::{Diverged, Part, Place, Transcript},
};

/// The members of a delta that are lists of thoughts: as of Anthropic, and of OpenRouter.
pub(super) const LISTS: [&str; 2] = ["thinking_blocks", "reasoning_details"];

/// The members of a delta that say thoughts as text.
const REASONING: [&str; 2] = ["reasoning_content", "reasoning"];

/// The members of a thought that are texts.
const TEXTS: [&str; 3] = ["thinking", "text", "summary"];

/// Those that say nothing, but what a thought is and which. All others seal it: they belong to the answer that has them.
const LABELS: [&str; 4] = ["type", "index", "id", "format"];

/// Which lists of a delta have texts that no text of it has.
pub(super) type Alone = [bool; LISTS.len()];

/// New thoughts of another answer that has not repeated yet what the client has of the message. They wait until then: they would
/// be those of an answer that may say something else.
#[derive(Default)]
pub(super) struct Thoughts {
    held: Vec<(Place, Vec<Value>)>,
    /// About so many bytes.
    size: usize,
}

// === impl Thoughts ===

impl Thoughts {
    /// Takes what the client has out of the lists of a choice's delta; says whether there is anything else in them.
    pub(super) fn read(
        &mut self,
        index: u64,
        choice: &mut Members,
        alone: Alone,
        known: &mut Transcript,
    ) -> Result<bool, Diverged> {
        let mut is_new = false;
        for ((list, name), alone) in (1..).zip(LISTS).zip(alone) {
            let place = (index, list);
            let delta = json::members(choice, "delta");
            let came = delta.and_then(|delta| delta.get_mut(name));
            let came = came.filter(|came| !json::is_empty(came));
            if came.is_none() && self.held.is_empty() {
                continue;
            }
            if alone {
                known.stands_alone(place);
            }
            let came = came.map_or(Value::Null, std::mem::take);
            let left = self.list(place, came, known)?;
            is_new |= write(choice, name, left);
        }
        Ok(is_new)
    }

    /// Forgets what another answer thought that broke.
    pub(super) fn drop_held(&mut self, known: &mut Transcript) {
        self.held.clear();
        known.let_go(std::mem::take(&mut self.size));
    }

    /// Returns what the client gets of a list.
    fn list(
        &mut self,
        place: Place,
        came: Value,
        known: &mut Transcript,
    ) -> Result<Value, Diverged> {
        if known.has_left(place) {
            return Ok(Value::Null);
        }
        let came = match came {
            _ if known.is_lost() => return Ok(came),
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            odd => {
                known.lose()?;
                return Ok(odd);
            }
        };
        let goes_out = known.has_repeated(place.0);
        let mut items = match goes_out {
            true => self.release(place, known),
            false => Vec::new(),
        };
        items.extend(came);
        let mut left = Vec::with_capacity(items.len());
        for mut item in items {
            let is_new = match &mut item {
                Value::Object(thought) => splice(place, thought, goes_out, known)?,
                _ => {
                    known.lose()?;
                    true
                }
            };
            if is_new {
                left.push(item);
            }
        }
        if goes_out {
            return Ok(left.into());
        }
        self.hold(place, left, known);
        Ok(Value::Null)
    }

    /// Returns what waited.
    fn release(&mut self, place: Place, known: &mut Transcript) -> Vec<Value> {
        let Some(at) = self.held.iter().position(|(held, _)| *held == place) else {
            return Vec::new();
        };
        let (_, items) = self.held.swap_remove(at);
        let size = items.iter().map(size).sum();
        self.size -= size;
        known.let_go(size);
        items
    }

    fn hold(&mut self, place: Place, items: Vec<Value>, known: &mut Transcript) {
        if items.is_empty() {
            return;
        }
        let size = items.iter().map(size).sum();
        self.size += size;
        known.keep(size);
        match self.held.iter_mut().find(|(held, _)| *held == place) {
            Some((_, held)) => held.extend(items),
            None => self.held.push((place, items)),
        }
    }
}

/// Says which lists have texts that no text of their delta has.
pub(super) fn stand_alone(delta: &Members) -> Alone {
    LISTS.map(|name| match delta.get(name) {
        Some(Value::Array(items)) => !REASONING
            .iter()
            .any(|name| is_said(items, json::string(delta, name).unwrap_or_default())),
        _ => false,
    })
}

/// Says whether the texts of a list are this one, or none.
fn is_said(items: &[Value], whole: &str) -> bool {
    let texts = items
        .iter()
        .flat_map(|item| TEXTS.map(|name| item.get(name).and_then(Value::as_str)));
    let mut texts = texts.flatten().filter(|text| !text.is_empty()).peekable();
    let says_none = texts.peek().is_none();
    let rest = texts.try_fold(whole, |rest, text| rest.strip_prefix(text));
    says_none || rest == Some("")
}

/// Takes what the client has out of a thought; says whether there is anything else in it.
fn splice(
    (index, list): Place,
    thought: &mut Members,
    goes_out: bool,
    known: &mut Transcript,
) -> Result<bool, Diverged> {
    let place = (index, list);
    let Some(block) = json::index(thought, "index") else {
        known.lose()?;
        return Ok(true);
    };
    let mut is_new = false;
    for name in TEXTS {
        match thought.get_mut(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => {
                let part = Part::Piece([block, 0], name.to_owned());
                let taken = known.take_at(place, &part, text, goes_out)?;
                is_new |= taken < text.len();
                drop(text.drain(..taken));
            }
            Some(_) => {
                known.lose()?;
                return Ok(true);
            }
        }
    }
    let is_seal = |name: &str| !TEXTS.contains(&name) && !LABELS.contains(&name);
    let seals = thought.iter_mut().filter(|(name, _)| is_seal(name));
    for (name, seal) in seals {
        if json::is_empty(seal) {
            continue;
        }
        let part = Part::Block([block, 0], name.clone());
        match known.take_at(place, &part, &seal.to_string(), goes_out)? {
            0 => is_new = true,
            _ => *seal = Value::Null,
        }
    }
    if known.goes_on() {
        // There are clients that add up whatever a member is.
        thought.retain(|_, value| !value.is_null());
    }
    Ok(is_new || known.is_lost())
}

/// Writes what is new of a list; says whether there is anything.
fn write(choice: &mut Members, name: &str, left: Value) -> bool {
    if json::is_empty(&left) {
        json::members(choice, "delta").map(|delta| delta.remove(name));
        return false;
    }
    let delta = choice.entry("delta").or_insert(Value::Null);
    if delta.is_null() {
        *delta = Value::Object(Members::new());
    }
    if let Value::Object(delta) = delta {
        delta.insert(name.to_owned(), left);
    }
    true
}

/// Returns about how many bytes are kept of a thought.
fn size(thought: &Value) -> usize {
    match thought {
        Value::String(text) => size_of::<Value>() + text.len(),
        Value::Array(items) => size_of::<Value>() + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| name.len() + size_of::<String>() + size(value))
            .sum(),
        _ => size_of::<Value>(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_stands_alone_that_says_what_no_text_beside_it_says() {
        let hm = json!([{"thinking": "h"}, {"text": "m", "signature": "s"}]);
        let seal = json!([{"thinking": "", "signature": "s"}, {"data": "d"}]);
        for (delta, alone) in [
            (
                json!({"reasoning_content": "hm", "thinking_blocks": hm}),
                [false, false],
            ),
            (
                json!({"reasoning": "hm", "reasoning_content": "", "reasoning_details": hm}),
                [false, false],
            ),
            (
                json!({"reasoning_content": "hm", "thinking_blocks": seal, "reasoning_details": "hm"}),
                [false, false],
            ),
            (
                json!({"reasoning_content": "hmm", "thinking_blocks": hm}),
                [true, false],
            ),
            (
                json!({"reasoning_content": "h", "reasoning_details": hm}),
                [false, true],
            ),
            (
                json!({"content": "hm", "thinking_blocks": hm, "reasoning_details": hm}),
                [true, true],
            ),
            (json!({"content": "hm"}), [false, false]),
        ] {
            assert_eq!(stand_alone(delta.as_object().unwrap()), alone, "{delta}");
        }
    }
}

//! Events of Anthropic's Messages.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use super::{
    json::{self, Members, core, members, number, string},
    splice::Fate,
    transcript::{Diverged, Part, Transcript},
};

/// The kinds of events that a block has beside its pieces.
const START: &str = "content_block_start";
const STOP: &str = "content_block_stop";

/// A block of text as it begins.
const TEXT: &str = r#"{"type":"text"}"#;

/// Kinds of pieces that are texts, and the member that has it.
const TEXTS: [(&str, &str); 3] = [
    ("input_json_delta", "partial_json"),
    ("text_delta", "text"),
    ("thinking_delta", "thinking"),
];

/// What was said of a message beside its blocks, and how the answer that goes on counts these.
#[derive(Default)]
pub(super) struct Messages {
    /// Whether the client was told how the message begins.
    began: bool,
    /// Whether the client's block is open to be gone on with by the first one that comes.
    joins: bool,
    /// A number of a block, and the one by which the client knows it.
    counts: (u64, u64),
    /// What the answer that goes on said of its prompt.
    prompt: Members,
}

// === impl Messages ===

impl Messages {
    pub(super) fn restart(&mut self) {
        *self = Self {
            began: self.began,
            ..Self::default()
        };
    }

    /// Expects the rest of what was [`said`](Self::said).
    pub(super) fn go_on(&mut self) {
        self.restart();
        self.joins = true;
    }

    /// Returns what was said, if it is nothing but the beginning of the first block.
    pub(super) fn said(known: &Transcript) -> Option<&str> {
        let text = Part::Piece([0, 0], "text_delta".to_owned());
        known.only(&[(block(0, START), TEXT)], &text)
    }

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
        let kind = string(&said, "type").unwrap_or_default().to_owned();
        let mut out = BytesMut::new();
        let is_new = match &*kind {
            "ping" => return Ok(Fate::Passes),
            "message_start" => self.start(&mut said, known),
            START => self.block(&mut said, known, &mut out)?,
            "content_block_delta" => self.piece(&mut said, known)?,
            STOP => {
                let index = self.count(&mut said, known)?;
                known.is_new(&block(index, STOP), STOP)?
            }
            "message_delta" => {
                self.leave(known, &mut out)?;
                self.finish(&mut said, known)?
            }
            "message_stop" => {
                self.leave(known, &mut out)?;
                if !known.is_repeated() {
                    return Err(Diverged);
                }
                out.extend_from_slice(event);
                return Ok(Fate::Last(out.freeze()));
            }
            _ => {
                known.lose()?;
                if said.contains_key("index") {
                    self.count(&mut said, known)?;
                }
                true
            }
        };
        Ok(match (known.goes_on(), is_new) {
            (false, _) => Fate::Passes,
            (true, false) => Fate::Known,
            (true, true) => {
                out.extend_from_slice(&json::event(&kind, &said));
                Fate::Instead(out.freeze())
            }
        })
    }

    /// Reads how a message begins. The client knows one by the name that it heard first.
    fn start(&mut self, said: &mut Members, known: &Transcript) -> bool {
        let usage = members(said, "message").and_then(|message| members(message, "usage"));
        if let Some(usage) = usage.filter(|_| known.goes_on() && self.began) {
            self.prompt = std::mem::take(usage);
        }
        !std::mem::replace(&mut self.began, true)
    }

    /// Reads how a block begins.
    fn block(
        &mut self,
        said: &mut Members,
        known: &mut Transcript,
        out: &mut BytesMut,
    ) -> Result<bool, Diverged> {
        let begun = begun(said.get("content_block"));
        if self.joins && begun == TEXT {
            self.joins = false;
            self.counts = (number(said, "index"), 0);
            return Ok(false);
        }
        if self.leave(known, out)? {
            self.counts = (number(said, "index"), 1);
        }
        let index = self.count(said, known)?;
        if !said.get("content_block").is_some_and(Value::is_object) {
            known.lose()?;
        }
        known.is_new(&block(index, START), &begun)
    }

    /// Reads a piece of a block, and takes what the client has out of it. What is no text is new or known as a whole.
    fn piece(&mut self, said: &mut Members, known: &mut Transcript) -> Result<bool, Diverged> {
        let index = self.count(said, known)?;
        let Some(piece) = members(said, "delta") else {
            known.lose()?;
            return Ok(true);
        };
        let kind = string(piece, "type").unwrap_or_default().to_owned();
        let text = TEXTS.iter().find(|(text, _)| *text == kind);
        let Some((_, text)) = text else {
            return known.is_new(&block(index, &kind), &core(said.get("delta"), &[]));
        };
        let Some(Value::String(text)) = piece.get_mut(*text) else {
            known.lose()?;
            return Ok(true);
        };
        let length = text.len();
        let taken = known.take(0, &Part::Piece([index, 0], kind), text)?;
        drop(text.drain(..taken));
        Ok(taken < length)
    }

    /// Reads how a message ended. What it used is what the answer says that has ended it.
    fn finish(&mut self, said: &mut Members, known: &mut Transcript) -> Result<bool, Diverged> {
        let prompt = std::mem::take(&mut self.prompt);
        if let Some(usage) = members(said, "usage") {
            for (name, value) in prompt {
                usage.entry(name).or_insert(value);
            }
        }
        let delta = said.get("delta");
        if delta.is_some_and(|delta| !delta.is_object() && !delta.is_null()) {
            known.lose()?;
        }
        known.is_new(&Part::Finish, &core(delta, &[]))
    }

    /// Ends the block that was open to be gone on with; says whether there was one.
    fn leave(&mut self, known: &mut Transcript, out: &mut BytesMut) -> Result<bool, Diverged> {
        if !std::mem::take(&mut self.joins) {
            return Ok(false);
        }
        known.is_new(&block(0, STOP), STOP)?;
        let stop = json!({"type": STOP, "index": 0});
        let stop = stop.as_object().expect("it is one");
        out.extend_from_slice(&json::event(STOP, stop));
        Ok(true)
    }

    /// Returns the number by which the client knows a block, and gives it to the event.
    fn count(&self, said: &mut Members, known: &mut Transcript) -> Result<u64, Diverged> {
        let (from, to) = self.counts;
        let Some(index) = json::index(said, "index") else {
            known.lose()?;
            return Ok(0);
        };
        let index = index.saturating_sub(from).saturating_add(to);
        if self.counts.0 != self.counts.1 {
            said.insert("index".to_owned(), index.into());
        }
        Ok(index)
    }
}

/// Returns what a block says as it begins. A call of a client's tool is known by the id that the client heard first; an id that
/// later blocks name is compared like the rest.
fn begun(block: Option<&Value>) -> String {
    let kind = block.and_then(|block| block.get("type"));
    match kind.and_then(Value::as_str) {
        Some("tool_use") => core(block, &["id"]),
        _ => core(block, &[]),
    }
}

fn block(index: u64, kind: &str) -> Part {
    Part::Block([index, 0], kind.to_owned())
}

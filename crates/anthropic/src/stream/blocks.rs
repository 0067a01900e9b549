//! The blocks of a stream: texts, thoughts, calls of tools.

use serde_json::{Value, value::RawValue};

use super::{End, Reader};
use crate::{
    answer::Block,
    event::{Delta, string},
    template::invalid,
};

/// Most blocks that may be open at once; Anthropic opens one after the other.
const MOST_OPEN: usize = 128;

/// Most bytes of input that are kept of a call that Anthropic answers itself: it is shown whole.
const LARGEST_INPUT: usize = 1024 * 1024;

/// A block that may go on.
pub(super) struct Open {
    index: u64,
    kind: Kind,
    /// What to show at its end, if nothing came until then.
    otherwise: Option<String>,
    /// What was told of a block that OpenAI has no words for.
    native: Option<Native>,
}

/// A block that is shown as it is, once it is whole.
struct Native {
    block: Value,
    /// What it is called with, as text.
    input: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The call of a tool, by its number.
    Call(usize),
    /// The call of the tool whose arguments are the answer.
    Json,
    /// A further one of that: there is but one answer.
    Surplus,
    /// A thought, by its number once something of it was shown.
    Thought(Option<usize>),
    Other,
}

impl Reader {
    pub(super) fn open(
        &mut self,
        index: Option<u64>,
        raw: Option<&RawValue>,
        out: &mut Vec<u8>,
    ) -> End {
        let block = raw.and_then(|raw| serde_json::from_str::<Block<'_>>(raw.get()).ok());
        let (Some(raw), Some(block)) = (raw, block) else {
            return Some(Err(invalid(
                "the upstream's stream has an unreadable block",
            )));
        };
        if self.open.len() >= MOST_OPEN {
            return Some(Err(invalid(
                "the upstream's stream has too many open blocks",
            )));
        }
        let (mut kind, mut otherwise, mut native) = (Kind::Other, None, None);
        match &*block.kind {
            "text" => self.text(block.text, out),
            "thinking" => kind = Kind::Thought(None),
            "redacted_thinking" => self.redacted(raw, out),
            "tool_use" => {
                otherwise = Some(block.input.map_or("{}", RawValue::get).to_owned());
                kind = self.call(&block, out);
            }
            _ => {
                native = serde_json::from_str(raw.get()).ok().map(|block| Native {
                    block,
                    input: String::new(),
                });
            }
        }
        let index = index.unwrap_or_default();
        self.open.push(Open {
            index,
            kind,
            otherwise,
            native,
        });
        if kind == Kind::Thought(None) {
            self.thought(index, block.thinking, out);
        }
        None
    }

    /// Begins the call of a tool.
    fn call(&mut self, block: &Block<'_>, out: &mut Vec<u8>) -> Kind {
        let name = block.name.as_deref().unwrap_or_default();
        if self.context.is_json_tool(Some(name)) {
            let is_first = !self.open.iter().any(|open| open.kind == Kind::Json);
            return if is_first { Kind::Json } else { Kind::Surplus };
        }
        let number = self.calls;
        self.calls += 1;
        let id = Value::from(block.id.as_deref().unwrap_or_default());
        let name = Value::from(self.context.asked.names.own(name));
        self.write(
            &format!(
                r#""tool_calls":[{{"index":{number},"id":{id},"type":"function","function":{{"name":{name},"arguments":""}}}}]"#
            ),
            out,
        );
        Kind::Call(number)
    }

    pub(super) fn delta(
        &mut self,
        index: Option<u64>,
        delta: Option<Delta<'_>>,
        out: &mut Vec<u8>,
    ) -> End {
        let delta = delta?;
        match &*delta.kind {
            "text_delta" => self.text(delta.text, out),
            "thinking_delta" => self.thought(index.unwrap_or_default(), delta.thinking, out),
            "signature_delta" => {
                if let Some(signature) = string(delta.signature) {
                    let members = format!(r#""thinking":"","signature":{signature}"#);
                    self.thinking(index.unwrap_or_default(), "\"\"", &members, out);
                }
            }
            "input_json_delta" => {
                if let Some(fragment) = string(delta.partial_json) {
                    return self.arguments(index.unwrap_or_default(), fragment, out);
                }
            }
            "citations_delta" => {
                if let Some(citation) = delta.citation {
                    let fields = format!(
                        r#""provider_specific_fields":{{"citation":{}}}"#,
                        citation.get()
                    );
                    self.write(&fields, out);
                }
            }
            _ => {}
        }
        None
    }

    fn text(&mut self, text: Option<&RawValue>, out: &mut Vec<u8>) {
        if let Some(text) = string(text).filter(|text| *text != "\"\"") {
            self.counter.text(text.len());
            self.write(&format!(r#""content":{text}"#), out);
        }
    }

    fn thought(&mut self, index: u64, text: Option<&RawValue>, out: &mut Vec<u8>) {
        if let Some(text) = string(text).filter(|text| *text != "\"\"") {
            self.thinking(index, text, &format!(r#""thinking":{text}"#), out);
        }
    }

    /// Passes a piece of a thought on. All pieces of one bear its number: clients of OpenAI's add them up by it.
    fn thinking(&mut self, index: u64, text: &str, members: &str, out: &mut Vec<u8>) {
        let mut open = self.open.iter_mut().rev();
        let open = open.find(|open| open.index == index);
        let number = match open.map(|open| &mut open.kind) {
            Some(Kind::Thought(number)) => *number.get_or_insert(self.thoughts),
            _ => self.thoughts,
        };
        self.thoughts = self.thoughts.max(number + 1);
        self.counter.text(text.len());
        let block = format!(r#"{{"index":{number},"type":"thinking",{members}}}"#);
        self.write(
            &format!(r#""reasoning_content":{text},"thinking_blocks":[{block}]"#),
            out,
        );
    }

    /// Passes on what the model thought and does not show; `raw` is an object with members.
    fn redacted(&mut self, raw: &RawValue, out: &mut Vec<u8>) {
        let number = self.thoughts;
        self.thoughts += 1;
        let members = raw.get().trim_start_matches('{');
        self.write(
            &format!(r#""thinking_blocks":[{{"index":{number},{members}]"#),
            out,
        );
    }

    /// Passes a piece of the arguments of a call on; `fragment` is a string as JSON.
    fn arguments(&mut self, index: u64, fragment: &str, out: &mut Vec<u8>) -> End {
        let mut open = self.open.iter_mut().rev();
        let open = open.find(|open| open.index == index)?;
        if fragment != "\"\"" {
            open.otherwise = None;
        }
        self.counter.text(fragment.len());
        match open.kind {
            Kind::Call(number) => self.write(
                &format!(
                    r#""tool_calls":[{{"index":{number},"function":{{"arguments":{fragment}}}}}]"#
                ),
                out,
            ),
            Kind::Json if fragment != "\"\"" => {
                self.write(&format!(r#""content":{fragment}"#), out)
            }
            Kind::Json | Kind::Surplus | Kind::Thought(_) => {}
            Kind::Other => {
                let native = open.native.as_mut()?;
                let piece: String = serde_json::from_str(fragment).ok()?;
                native.input.push_str(&piece);
                if native.input.len() > LARGEST_INPUT {
                    return Some(Err(invalid("the upstream's stream has too large a block")));
                }
            }
        }
        None
    }

    /// Ends a block. A call without a piece of arguments gets those it began with.
    pub(super) fn close(&mut self, index: Option<u64>, out: &mut Vec<u8>) -> End {
        let index = index.unwrap_or_default();
        let at = self.open.iter().rposition(|open| open.index == index)?;
        if let Some(otherwise) = self.open[at].otherwise.take() {
            let fragment = Value::from(otherwise).to_string();
            self.arguments(index, &fragment, out);
        }
        if let Some(native) = self.open[at].native.take() {
            self.native(native, out);
        }
        // The one of the JSON tool stays, so that it stays the first.
        if self.open[at].kind == Kind::Json {
            self.open[at].index = u64::MAX;
        } else {
            self.open.swap_remove(at);
        }
        None
    }

    /// Shows a block that OpenAI has no words for, where plain answers have it.
    fn native(&mut self, native: Native, out: &mut Vec<u8>) {
        let Native { mut block, input } = native;
        if let Ok(input) = serde_json::from_str::<Value>(&input) {
            block["input"] = input;
        }
        block["index"] = self.natives.into();
        self.natives += 1;
        let fields = format!(r#""provider_specific_fields":{{"content_blocks":[{block}]}}"#);
        self.write(&fields, out);
    }
}

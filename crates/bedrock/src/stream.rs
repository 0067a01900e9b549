//! A stream of frames, as OpenAI's events.

mod chunk;
pub(crate) mod event;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ziggurat_core::{Failure, FailureKind, Meter};
use ziggurat_provider::{Streamed, sse::DONE_EVENT, usage::Counter};

use self::{
    chunk::{Call, Choice, Chunk, Delta, Function, Told},
    event::{Event, Reader, Thought},
};
use crate::{
    answer::{finish_reason, generated_id, name, now, redacted, thought},
    dialect::Template,
    exchange::invalid,
    frames::Frames,
    request::{Asked, JSON_TOOL},
    usage::Tokens,
};

/// Most blocks that may be open at once; models open one after the other.
const MOST_OPEN: usize = 128;

/// The events of a stream.
pub(crate) struct Events {
    frames: Frames,
    reader: Reader,
    template: Arc<Template>,
    asked: Arc<Asked>,
    meter: Option<Meter>,
    model: Bytes,
    id: String,
    created: u64,
    /// Whether the first chunk is out, which alone names the role.
    has_begun: bool,
    /// The blocks of tools that are open.
    open: Vec<Open>,
    calls: usize,
    /// How many thoughts were shown, and the block of the last.
    thoughts: usize,
    last_thought: Option<u64>,
    /// Whether the tool was called that stands in for a schema: there is but one answer.
    has_json: bool,
    /// Counts in place of an upstream that does not.
    counter: Counter,
    /// Set once the model has stopped.
    finished: bool,
}

/// A call of a tool that is being written.
struct Open {
    block: u64,
    kind: Kind,
    is_empty: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Of the client's tool, by its number among the calls.
    Call(usize),
    /// Of the tool that stands in for a schema.
    Json,
    /// Of that once more.
    Surplus,
}

impl Events {
    pub(crate) fn new(
        template: Arc<Template>,
        model: Bytes,
        meter: Option<Meter>,
        asked: Arc<Asked>,
    ) -> Self {
        let counter = Counter::new(asked.usage);
        Self {
            frames: Frames::default(),
            reader: Reader::default(),
            template,
            asked,
            meter,
            model,
            id: generated_id(),
            created: now(),
            has_begun: false,
            open: Vec::new(),
            calls: 0,
            thoughts: 0,
            last_thought: None,
            has_json: false,
            counter,
            finished: false,
        }
    }

    pub(crate) fn chunk(&mut self, data: &[u8]) -> Streamed {
        let mut out = BytesMut::new();
        self.frames.push(data);
        let end = self.read(&mut out);
        let data = out.freeze();
        Streamed { data, end }
    }

    /// Whether the model has stopped. The count of tokens may still come.
    pub(crate) fn is_complete(&self) -> bool {
        self.finished
    }

    pub(crate) fn end(&mut self, broken: Option<Failure>) -> Streamed {
        let mut out = BytesMut::new();
        // The count of tokens may be missing; nothing that the client reads as the answer is.
        let end = if self.finished {
            let tokens = self.reader.tokens();
            self.used(&mut out, &tokens);
            out.put_slice(DONE_EVENT);
            Ok(())
        } else {
            Err(broken.unwrap_or_else(|| {
                let message = match self.frames.is_cut() {
                    true => "the upstream's stream ended inside a frame",
                    false => "the upstream's stream ended before the model had stopped",
                };
                Failure::new(FailureKind::Disconnected).with_message(message)
            }))
        };
        Streamed {
            data: out.freeze(),
            end: Some(end),
        }
    }

    fn read(&mut self, out: &mut BytesMut) -> Option<Result<(), Failure>> {
        loop {
            let frame = match self.frames.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return None,
                Err(failure) => return Some(Err(failure)),
            };
            match self.reader.read(&frame, &self.template) {
                Ok(Some(event)) => {
                    if self.event(&event, out) {
                        return Some(Ok(()));
                    }
                    if self.open.len() > MOST_OPEN {
                        let failure = invalid("the upstream's stream has too many open blocks");
                        return Some(Err(failure));
                    }
                }
                Ok(None) => {}
                Err(failure) => return Some(Err(failure)),
            }
        }
    }

    /// Prints what an event means; says whether it is the last.
    fn event(&mut self, event: &Event, out: &mut BytesMut) -> bool {
        // What comes after the stop is about the answer, not part of it.
        if self.finished && !matches!(event, Event::Used(_)) {
            return false;
        }
        match event {
            Event::Text(text) => self.content(out, text),
            Event::Thought { block, thought } => self.thought(out, *block, thought),
            Event::Call { block, id, name } => self.call(out, *block, id, name),
            Event::Input { block, json } => self.input(out, *block, json),
            Event::BlockEnd(block) => self.block_end(out, *block),
            Event::Stop(reason) => {
                let reason = finish_reason(Some(reason), self.calls > 0);
                self.choice(out, Delta::default(), Some(reason));
                self.finished = true;
            }
            Event::Used(tokens) => {
                self.used(out, tokens);
                if self.finished {
                    out.put_slice(DONE_EVENT);
                    return true;
                }
            }
        }
        false
    }

    /// All pieces of one thought bear its number: clients of OpenAI's add them up by it.
    fn thought(&mut self, out: &mut BytesMut, block: u64, piece: &Thought) {
        if self.last_thought != Some(block) {
            self.last_thought = Some(block);
            self.thoughts += 1;
        }
        let (text, mut value) = match piece {
            Thought::Text(text) => (Some(&**text), thought(text, None)),
            Thought::Signature(signature) => (Some(""), thought("", Some(signature))),
            Thought::Redacted(data) => (None, redacted(data)),
        };
        value["index"] = (self.thoughts - 1).into();
        self.counter.text(text.map_or(0, str::len));
        let delta = Delta {
            reasoning_content: text,
            thinking_blocks: Some([value]),
            ..Delta::default()
        };
        self.delta(out, delta);
    }

    fn call(&mut self, out: &mut BytesMut, block: u64, id: &str, name: &str) {
        let kind = match self.asked.json_tool && name == JSON_TOOL {
            true if std::mem::replace(&mut self.has_json, true) => Kind::Surplus,
            true => Kind::Json,
            false => Kind::Call(self.calls),
        };
        self.open.push(Open {
            block,
            kind,
            is_empty: true,
        });
        let Kind::Call(index) = kind else { return };
        self.calls += 1;
        self.counter.text(name.len());
        let asked = self.asked.clone();
        let name = Some(asked.names.own(name));
        let function = Function {
            name,
            arguments: "",
        };
        let call = Call {
            index,
            id: Some(id),
            kind: Some("function"),
            function,
        };
        self.delta(
            out,
            Delta {
                tool_calls: Some([call]),
                ..Delta::default()
            },
        );
    }

    fn input(&mut self, out: &mut BytesMut, block: u64, json: &str) {
        let mut open = self.open.iter_mut().rev();
        let Some(open) = open.find(|open| open.block == block) else {
            return;
        };
        open.is_empty &= json.is_empty();
        let kind = open.kind;
        self.piece(out, kind, json);
    }

    /// A tool without input is called with an empty object.
    fn block_end(&mut self, out: &mut BytesMut, block: u64) {
        let Some(at) = self.open.iter().rposition(|open| open.block == block) else {
            return;
        };
        let open = self.open.swap_remove(at);
        if open.is_empty {
            self.piece(out, open.kind, "{}");
        }
    }

    /// Passes a piece of a call's input on.
    fn piece(&mut self, out: &mut BytesMut, kind: Kind, json: &str) {
        match kind {
            Kind::Call(index) => self.arguments(out, index, json),
            Kind::Json => self.content(out, json),
            Kind::Surplus => {}
        }
    }

    fn content(&mut self, out: &mut BytesMut, content: &str) {
        self.counter.text(content.len());
        self.delta(
            out,
            Delta {
                content: Some(content),
                ..Delta::default()
            },
        );
    }

    fn arguments(&mut self, out: &mut BytesMut, index: usize, arguments: &str) {
        self.counter.text(arguments.len());
        let function = Function {
            name: None,
            arguments,
        };
        let call = Call {
            index,
            id: None,
            kind: None,
            function,
        };
        self.delta(
            out,
            Delta {
                tool_calls: Some([call]),
                ..Delta::default()
            },
        );
    }

    /// Tells what was used: what the upstream tells, else an estimate.
    fn used(&self, out: &mut BytesMut, tokens: &Tokens) {
        let meter = self.meter.as_ref();
        let usage = if tokens.tell() {
            let usage = tokens.usage(self.thoughts > 0, meter);
            self.asked.usage.map(|_| Told::Upstream(usage))
        } else {
            self.counter.record(meter);
            self.counter.estimate().map(Told::Estimate)
        };
        if usage.is_some() {
            self.print(out, &[], usage);
        }
    }

    fn delta(&mut self, out: &mut BytesMut, delta: Delta<'_>) {
        self.choice(out, delta, None);
    }

    fn choice(&mut self, out: &mut BytesMut, mut delta: Delta<'_>, finish: Option<&'static str>) {
        if !self.has_begun {
            delta.role = Some("assistant");
            self.has_begun = true;
        }
        let choice = Choice {
            index: 0,
            delta,
            finish_reason: finish,
        };
        self.print(out, &[choice], None);
    }

    fn print(&self, out: &mut BytesMut, choices: &[Choice<'_>], usage: Option<Told>) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: name(&self.model),
            choices,
            usage,
        };
        out.put_slice(b"data: ");
        serde_json::to_writer((&mut *out).writer(), &chunk).expect("texts and numbers print");
        out.put_slice(b"\n\n");
    }
}

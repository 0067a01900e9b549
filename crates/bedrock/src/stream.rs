//! A stream of frames, as OpenAI's events.

mod event;

use std::{collections::HashMap, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use ziggurat_core::{Failure, FailureKind, Meter};
use ziggurat_provider::{Streamed, sse::DONE_EVENT};

use self::event::{Event, Reader};
use crate::{
    answer::{finish_reason, generated_id, name, now, redacted, thought},
    dialect::Template,
    frames::Frames,
    request::{Asked, JSON_TOOL},
    usage::{Tokens, Usage},
};

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
    /// The tools whose blocks are open, by their block.
    open: HashMap<u64, Open>,
    calls: usize,
    /// Set once the model has stopped.
    finished: bool,
}

/// A call of a tool that is being written.
struct Open {
    /// Its number among the calls; `None` if it stands in for a schema.
    index: Option<usize>,
    is_empty: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a RawValue,
    choices: &'a [Choice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_blocks: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Call<'a>; 1]>,
}

#[derive(Serialize)]
struct Call<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl Events {
    pub(crate) fn new(
        template: Arc<Template>,
        model: Bytes,
        meter: Option<Meter>,
        asked: Arc<Asked>,
    ) -> Self {
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
            open: HashMap::new(),
            calls: 0,
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

    pub(crate) fn end(&mut self, broken: Option<Failure>) -> Streamed {
        let mut out = BytesMut::new();
        // The count of tokens may be missing; nothing that the client reads as the answer is.
        let end = if self.finished {
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
            Event::Text(text) => self.delta(
                out,
                Delta {
                    content: Some(text),
                    ..Delta::default()
                },
            ),
            Event::Thought(text) => {
                let blocks = Some([thought(text, None)]);
                let delta = Delta {
                    reasoning_content: Some(text),
                    thinking_blocks: blocks,
                    ..Delta::default()
                };
                self.delta(out, delta);
            }
            Event::Signature(signature) => {
                let blocks = Some([thought("", Some(signature))]);
                let delta = Delta {
                    reasoning_content: Some(""),
                    thinking_blocks: blocks,
                    ..Delta::default()
                };
                self.delta(out, delta);
            }
            Event::Redacted(data) => {
                let blocks = Some([redacted(data)]);
                self.delta(
                    out,
                    Delta {
                        thinking_blocks: blocks,
                        ..Delta::default()
                    },
                );
            }
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

    fn call(&mut self, out: &mut BytesMut, block: u64, id: &str, name: &str) {
        let is_json = self.asked.json_tool && name == JSON_TOOL;
        let index = (!is_json).then_some(self.calls);
        self.open.insert(
            block,
            Open {
                index,
                is_empty: true,
            },
        );
        let Some(index) = index else { return };
        self.calls += 1;
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
        let Some(open) = self.open.get_mut(&block) else {
            return;
        };
        open.is_empty &= json.is_empty();
        match open.index {
            Some(index) => self.arguments(out, index, json),
            None => self.delta(
                out,
                Delta {
                    content: Some(json),
                    ..Delta::default()
                },
            ),
        }
    }

    /// A tool without input is called with an empty object.
    fn block_end(&mut self, out: &mut BytesMut, block: u64) {
        match self.open.remove(&block) {
            Some(Open {
                index: Some(index),
                is_empty: true,
            }) => self.arguments(out, index, "{}"),
            Some(Open {
                index: None,
                is_empty: true,
            }) => {
                self.delta(
                    out,
                    Delta {
                        content: Some("{}"),
                        ..Delta::default()
                    },
                );
            }
            _ => {}
        }
    }

    fn arguments(&mut self, out: &mut BytesMut, index: usize, arguments: &str) {
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

    fn used(&self, out: &mut BytesMut, tokens: &Tokens) {
        let usage = tokens.usage(self.meter.as_ref());
        if self.asked.usage {
            self.print(out, &[], Some(usage));
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

    fn print(&self, out: &mut BytesMut, choices: &[Choice<'_>], usage: Option<Usage>) {
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

//! Streams, chunk by chunk into events.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use ziggurat_core::Failure;
use ziggurat_provider::{
    Streamed,
    sse::{DONE, Splitter},
};

use super::{
    generated_id, reason,
    usage::{Told, Usage},
};
use crate::template::invalid;

const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// The events of a stream.
pub(super) struct Events {
    splitter: Splitter,
    writer: Writer,
    over: bool,
}

/// What is known of a stream while it is written.
struct Writer {
    /// How many tokens the prompt is thought to have, until the upstream tells.
    prompt: u64,
    began: bool,
    /// How many blocks have begun.
    blocks: u64,
    open: Option<Open>,
    /// The calls that were begun, by their numbers: there is no way back to one.
    calls: u64,
    refused: bool,
    reason: Option<String>,
    usage: Option<Usage>,
    /// Chunks that brought a piece of the answer: about as many as its tokens.
    pieces: u64,
}

/// The block that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    /// The call of a tool, by OpenAI's number.
    Call(u64),
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    usage: Option<Told>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, alias = "reasoning")]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking_blocks: Option<Vec<Thought<'a>>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

/// A piece of a thought in Anthropic's own words, as its dialects have it.
#[derive(Deserialize)]
struct Thought<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

// === impl Events ===

impl Events {
    pub(super) fn new(prompt: u64) -> Self {
        Self {
            splitter: Splitter::new(),
            writer: Writer {
                prompt,
                began: false,
                blocks: 0,
                open: None,
                calls: 0,
                refused: false,
                reason: None,
                usage: None,
                pieces: 0,
            },
            over: false,
        }
    }

    /// Makes events of chunks, and of the end of their stream. What comes before the end of a broken one is kept.
    pub(super) fn translate(&mut self, data: Bytes, end: Option<Result<(), Failure>>) -> Streamed {
        let mut out = Vec::with_capacity(data.len());
        if self.over {
            return Streamed {
                data: Bytes::new(),
                end,
            };
        }
        self.splitter.push(data);
        let mut end = end;
        loop {
            match self.splitter.next_event() {
                Ok(Some(event)) => match event.data().filter(|data| !data.is_empty()) {
                    None if self.writer.began => out.extend_from_slice(PING),
                    None => out.extend_from_slice(b":\n\n"),
                    Some(data) if data.trim_ascii() == DONE => {}
                    Some(data) => {
                        if let Err(failure) = self.writer.chunk(&data, &mut out) {
                            end = Some(Err(failure));
                            break;
                        }
                    }
                },
                Ok(None) => break,
                Err(too_long) => {
                    let message = "the upstream's stream has an event that is too long";
                    end = Some(Err(invalid(message).with_source(too_long)));
                    break;
                }
            }
        }
        if let Some(Ok(())) = end {
            end = Some(self.writer.end(&mut out));
        }
        self.over = end.is_some();
        let data = out.into();
        Streamed { data, end }
    }
}

// === impl Writer ===

impl Writer {
    fn chunk(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let chunk: Chunk<'_> = serde_json::from_slice(data)
            .map_err(|_| invalid("the upstream's stream has an unreadable chunk"))?;
        if let Some(told) = chunk.usage {
            self.usage = Some(told.usage());
        }
        self.begin(chunk.model, out);
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            self.pieces += 1;
            if let Some(delta) = choice.delta {
                self.delta(delta, out)?;
            }
            if let Some(reason) = reason::read(choice.finish_reason)? {
                self.reason = Some(reason);
            }
        }
        Ok(())
    }

    fn begin(&mut self, model: Option<&RawValue>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.began, true) {
            return;
        }
        let usage = serde_json::to_string(&Usage::of_prompt(self.prompt)).expect("numbers");
        let (id, model) = (generated_id("msg_"), model.map_or("\"\"", RawValue::get));
        write(
            "message_start",
            &format!(
                r#""message":{{"id":"{id}","type":"message","role":"assistant","model":{model},"content":[],"stop_reason":null,"stop_sequence":null,"usage":{usage}}}"#
            ),
            out,
        );
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(thinking) = text(delta.reasoning_content) {
            self.open(
                Open::Thinking,
                r#"{"type":"thinking","thinking":"","signature":""}"#,
                out,
            );
            self.piece("thinking_delta", "thinking", thinking, out);
        }
        for thought in delta.thinking_blocks.unwrap_or_default() {
            self.thought(&thought, out);
        }
        if let Some(refusal) = text(delta.refusal) {
            self.refused = true;
            self.text(refusal, out);
        }
        if let Some(content) = text(delta.content) {
            self.text(content, out);
        }
        for call in delta.tool_calls.unwrap_or_default() {
            self.call(&call, out)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        self.open(Open::Text, r#"{"type":"text","text":""}"#, out);
        self.piece("text_delta", "text", text, out);
    }

    /// The text of a thought comes beside it; here are what seals it, and thoughts that are hidden.
    fn thought(&mut self, thought: &Thought<'_>, out: &mut Vec<u8>) {
        match (&*thought.kind, text(thought.signature), thought.data) {
            ("thinking", Some(signature), _) => {
                self.open(
                    Open::Thinking,
                    r#"{"type":"thinking","thinking":"","signature":""}"#,
                    out,
                );
                self.piece("signature_delta", "signature", signature, out);
                self.close(out);
            }
            ("redacted_thinking", _, Some(data)) => {
                self.close(out);
                let block = format!(r#"{{"type":"redacted_thinking","data":{}}}"#, data.get());
                self.start(&block, out);
                stop(self.blocks - 1, out);
            }
            _ => {}
        }
    }

    /// Begins the call of a tool, or goes on with it.
    fn call(&mut self, call: &Call<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        // Servers that number nothing send each call whole.
        let number = call.index.unwrap_or(self.calls);
        let open = Open::Call(number);
        let function = call.function.as_ref();
        if self.open != Some(open) {
            if number < self.calls {
                return Err(invalid(
                    "the upstream's stream goes back to an earlier tool call",
                ));
            }
            self.calls = number.saturating_add(1);
            let id = call.id.as_deref().filter(|id| !id.is_empty());
            let id = Value::from(id.map_or_else(|| generated_id("toolu_"), str::to_owned));
            let name = function.and_then(|function| function.name);
            let name = name.map_or("\"\"", RawValue::get);
            let block = format!(r#"{{"type":"tool_use","id":{id},"name":{name},"input":{{}}}}"#);
            self.open(open, &block, out);
        }
        if let Some(arguments) = text(function.and_then(|function| function.arguments)) {
            self.piece("input_json_delta", "partial_json", arguments, out);
        }
        Ok(())
    }

    /// Begins a block, unless it is the one that is open.
    fn open(&mut self, open: Open, block: &str, out: &mut Vec<u8>) {
        if self.open == Some(open) {
            return;
        }
        self.close(out);
        self.start(block, out);
        self.open = Some(open);
    }

    fn start(&mut self, block: &str, out: &mut Vec<u8>) {
        let index = self.blocks;
        self.blocks += 1;
        let rest = format!(r#""index":{index},"content_block":{block}"#);
        write("content_block_start", &rest, out);
    }

    /// Writes a piece of the open block; `json` is a string.
    fn piece(&self, kind: &str, name: &str, json: &str, out: &mut Vec<u8>) {
        let index = self.blocks - 1;
        let rest = format!(r#""index":{index},"delta":{{"type":"{kind}","{name}":{json}}}"#);
        write("content_block_delta", &rest, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            stop(self.blocks - 1, out);
        }
    }

    /// Ends a stream that is complete.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if !self.began {
            return Err(invalid("the upstream's stream ended before it began"));
        }
        self.close(out);
        let reason = self.reason.as_deref().unwrap_or_default();
        let reason = match self.refused {
            true => "refusal",
            false => reason::anthropic(reason, self.calls > 0),
        };
        let known = self.usage;
        let usage = known.unwrap_or_else(|| Usage::of_prompt(self.prompt).with_output(self.pieces));
        let usage = serde_json::to_string(&usage).expect("numbers");
        let rest =
            format!(r#""delta":{{"stop_reason":"{reason}","stop_sequence":null}},"usage":{usage}"#);
        write("message_delta", &rest, out);
        out.extend_from_slice(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        Ok(())
    }
}

fn write(kind: &str, rest: &str, out: &mut Vec<u8>) {
    for part in [
        "event: ",
        kind,
        "\ndata: {\"type\":\"",
        kind,
        "\",",
        rest,
        "}\n\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn stop(index: u64, out: &mut Vec<u8>) {
    write("content_block_stop", &format!(r#""index":{index}"#), out);
}

/// A string that says something, as JSON.
fn text(json: Option<&RawValue>) -> Option<&str> {
    let json = json.map(RawValue::get);
    json.filter(|json| json.starts_with('"') && *json != "\"\"")
}

//! Passing a stream of chunks on.
//!
//! Chunks of one stream differ in little but their `delta`. What lies before and after it is remembered, so that a chunk
//! that differs in nothing else is passed on after two comparisons. Any other chunk is read.

use std::{borrow::Cow, ops::Range, sync::Arc};

use bytes::{BufMut, Bytes};
use serde_json::value::RawValue;
use ziggurat_core::{
    Failure, FailureKind, Meter, Operation,
    json::{self, Document},
};
use ziggurat_provider::{
    events::{self, End, Reader as _},
    reason,
    sse::{DONE, DONE_EVENT, Event, Splitter},
    usage::{Counter, Estimate},
};

use crate::{
    chunk::{
        Choice, calls_tools, error_of_choice, index, is_finished, offset, pass_comments, says_error,
    },
    dialect::generated_id,
    exchange::Asked,
    failure::Wire,
    finish, json_tool,
    memo::{Memo, Passed, splice},
    template::Template,
    usage,
};

/// What is known of a stream while it is read.
pub(crate) struct Reader {
    template: Arc<Template>,
    operation: Operation,
    /// The name that chunks bear, as JSON.
    model: Option<Bytes>,
    /// Set if the client wants the chunk that tells the usage.
    include_usage: bool,
    /// The upstream has told it.
    has_usage: bool,
    /// Where the usage is written, if anyone wants to know.
    meter: Option<Meter>,
    /// Set if calls of the JSON tool are to become content. Such streams have no memo.
    json_tool: Option<Box<json_tool::Calls>>,
    /// The id of a stream that has none.
    id: Option<Bytes>,
    memo: Option<Memo>,
    /// How many choices were asked for. Of more than there are bits, only `[DONE]` tells the end.
    choices: u32,
    /// Which choices have begun, which have ended; one bit each.
    started: u128,
    finished: u128,
    calls_tools: bool,
    /// Counts the events that bring a piece of the answer.
    counter: Counter,
    /// The members that a chunk of our own takes from the others: `id`, `created` and `model`.
    head: Vec<u8>,
}

// === impl Reader ===

impl Reader {
    pub(crate) fn new(
        template: Arc<Template>,
        model: Option<Bytes>,
        asked: Asked,
        meter: Option<Meter>,
    ) -> Self {
        Self {
            template,
            operation: asked.operation,
            model,
            include_usage: asked.usage.is_some(),
            has_usage: false,
            meter,
            json_tool: asked.json_tool.then(Box::default),
            id: None,
            memo: None,
            choices: asked.choices,
            started: 0,
            finished: 0,
            calls_tools: false,
            counter: Counter::new(asked.usage),
            head: Vec::new(),
        }
    }
}

impl events::Reader for Reader {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> End {
        if let Some(memo) = &self.memo
            && let Some(passed) = memo.pass(event.raw(), out)
        {
            if let Passed::Delta(delta) = passed {
                self.calls_tools = self.calls_tools || calls_tools(delta);
            }
            self.counter.piece();
            return None;
        }
        if event.is_damaged() {
            return Some(Err(self.unreadable()));
        }
        let Some(data) = event.data().filter(|data| !data.is_empty()) else {
            pass_comments(event, &self.template.secrets(), out);
            return None;
        };
        if data.trim_ascii() == DONE {
            return Some(self.done(out));
        }
        let is_text = |bytes| std::str::from_utf8(bytes).is_ok();
        match data {
            // What is passed on must be text: other lines that are none are left out.
            Cow::Borrowed(data) if is_text(event.raw()) || !is_text(data) => {
                self.read(event, data, out)
            }
            Cow::Borrowed(data) => self.alone(data, out),
            // Line breaks between the tokens of JSON are but spaces.
            Cow::Owned(data) => {
                let line = data
                    .iter()
                    .map(|&b| if b == b'\n' { b' ' } else { b })
                    .collect::<Vec<_>>();
                self.alone(&line, out)
            }
        }
    }

    /// Ends a stream whose upstream has gone without a word.
    fn end(&mut self, broken: Option<Failure>, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.is_complete() {
            return self.done(out);
        }
        Err(broken.unwrap_or_else(|| Failure::new(FailureKind::Disconnected)))
    }

    fn unreadable(&self) -> Failure {
        let failure = Failure::new(FailureKind::InvalidResponse)
            .with_message("the upstream's stream has an unreadable event");
        self.template.invalid(failure)
    }
}

impl Reader {
    /// Reads data as an event that has nothing else.
    fn alone(&mut self, data: &[u8], out: &mut Vec<u8>) -> End {
        let raw = [b"data: ", data, b"\n\n"].concat();
        let mut splitter = Splitter::with_max(usize::MAX);
        splitter.push(raw.into());
        match splitter.next_event() {
            Ok(Some(event)) => self.event(event, out),
            _ => None,
        }
    }

    /// Reads a chunk and passes it on. `data` is a part of the event.
    fn read(&mut self, event: Event<'_>, data: &[u8], out: &mut Vec<u8>) -> End {
        let template = &self.template;
        let is_error = event.name() == Some(b"error");
        let document = match Document::parse(Bytes::copy_from_slice(data)) {
            Ok(document) => document,
            Err(_) if !is_error => return Some(Err(self.unreadable())),
            Err(_) => {
                let wire = Wire::of(data, &template.secrets());
                return Some(Err(wire.in_band(template.face.label())));
            }
        };
        if is_error || says_error(&document) {
            let wire = Wire::of(data, &template.secrets());
            return Some(Err(wire.in_band(template.face.label())));
        }
        if let Some(error) = error_of_choice(&document) {
            let wire = Wire::of(error.as_bytes(), &template.secrets());
            return Some(Err(wire.in_band(template.face.label())));
        }
        let has_usage = document.get("usage").is_some_and(|usage| !usage.is_null());
        self.has_usage |= has_usage;
        let choices = match document.get("choices") {
            Some(choices) => match choices.decode::<Option<Vec<Choice<'_>>>>() {
                Ok(choices) => choices.unwrap_or_default(),
                Err(_) => return Some(Err(self.unreadable())),
            },
            None => {
                let edits = self.edits(&document, &[], offset(event.raw(), data));
                splice(event.raw(), 0..event.raw().len(), &edits, out);
                return None;
            }
        };
        let mut reasons = choices.iter().filter_map(|choice| choice.finish_reason);
        if let Err(failure) = reasons.try_for_each(|it| reason::check(it.get())) {
            return Some(Err(failure));
        }
        if has_usage && let Some(meter) = &self.meter {
            usage::record(meter, &document);
        }
        if choices.is_empty() && !(has_usage && self.include_usage) {
            return None;
        }
        if !choices.is_empty() {
            self.counter.piece();
        }
        let at = offset(event.raw(), data);
        let edits = self.edits(&document, &choices, at);
        splice(event.raw(), 0..event.raw().len(), &edits, out);
        self.note(&document, &choices);
        if let [choice] = &choices[..]
            && self.json_tool.is_none()
            && !is_finished(choice)
            && let Some(delta) = choice.delta
        {
            let position = |part: &str| offset(document.raw(), part.as_bytes()) + at;
            let start = position(delta.get());
            let delta = start..start + delta.get().len();
            let index = choice
                .index
                .is_some_and(|index| position(index.get()) < start);
            let named = |name| {
                document
                    .get(name)
                    .is_none_or(|value| position(value.text()) < start)
            };
            let loose = index && named("model") && named("id");
            self.memo = Some(Memo::of(event.raw(), delta, &edits, loose));
        }
        None
    }

    /// What is changed in a chunk: the model's name, an id that is missing, choices that are no list, finish reasons with
    /// names of their own, calls of the JSON tool.
    fn edits(
        &mut self,
        document: &Document,
        choices: &[Choice<'_>],
        at: usize,
    ) -> Vec<(Range<usize>, Bytes)> {
        let mut edits = Vec::new();
        let mut replace = |part: &[u8], with: Bytes| {
            let start = at + offset(document.raw(), part);
            edits.push((start..start + part.len(), with));
        };
        if let Some(name) = &self.model
            && let Some(model) = document.get("model")
            && model.as_bytes() != &name[..]
        {
            replace(model.as_bytes(), name.clone());
        }
        if let Some(id) = document.get("id")
            && id.as_bytes() == b"\"\""
        {
            let generate = || generated_id(self.operation);
            replace(id.as_bytes(), self.id.get_or_insert_with(generate).clone());
        }
        if let Some(none) = document.get("choices").filter(|choices| choices.is_null()) {
            replace(none.as_bytes(), Bytes::from_static(b"[]"));
        }
        for choice in choices {
            let mut calls = self.json_tool.as_mut().map(|calls| calls.of(index(choice)));
            if let Some(delta) = choice.delta
                && let Some(calls) = &mut calls
                && let Some(unwrapped) = calls.unwrap(delta.get())
            {
                replace(delta.get().as_bytes(), unwrapped.into());
            }
            let reason = choice.finish_reason;
            let is_none =
                |reason: &&RawValue| reason.get().starts_with('"') && !json::is_said(reason.get());
            if let Some(none) = reason.filter(is_none) {
                // Many clients take any text for an end.
                replace(none.get().as_bytes(), Bytes::from_static(b"null"));
            } else if let Some(reason) = reason
                && let Ok(native) = serde_json::from_str::<String>(reason.get())
                && let Some(openai) = calls
                    .and_then(|calls| calls.finish(&native))
                    .or_else(|| finish::openai(&native))
            {
                replace(reason.get().as_bytes(), format!("\"{openai}\"").into());
            }
        }
        edits.sort_by_key(|(range, _)| range.start);
        edits
    }

    /// Notes which choices began and ended.
    fn note(&mut self, document: &Document, choices: &[Choice<'_>]) {
        for choice in choices {
            let bit = 1 << index(choice).min(u128::BITS - 1);
            self.started |= bit;
            if is_finished(choice) {
                self.finished |= bit;
            }
            self.calls_tools |= match &mut self.json_tool {
                Some(calls) => calls.of(index(choice)).has_others(),
                None => choice
                    .delta
                    .is_some_and(|delta| calls_tools(delta.get().as_bytes())),
            };
        }
        if !self.head.is_empty() {
            return;
        }
        for name in ["id", "created", "model"] {
            let Some(value) = document.get(name) else {
                continue;
            };
            let value = match (name, &self.model, &self.id) {
                ("model", Some(model), _) => model,
                ("id", _, Some(id)) => id,
                _ => value.as_bytes(),
            };
            self.head
                .extend([b"\"", name.as_bytes(), b"\":", value, b","].concat());
        }
    }

    /// Ends a stream whose upstream says that it is complete.
    fn done(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.counter.record(self.meter.as_ref());
        if self.started == 0 {
            return Err(Failure::new(FailureKind::Disconnected)
                .with_message("the upstream's stream ended before its first chunk"));
        }
        let reason: &[u8] = if self.calls_tools {
            b"tool_calls"
        } else {
            b"stop"
        };
        let (object, nothing): (&[u8], &[u8]) = match self.operation {
            Operation::Completions => (b"text_completion", b"\"text\":\"\""),
            _ => (b"chat.completion.chunk", b"\"delta\":{}"),
        };
        for index in 0..u128::BITS {
            if (self.started & !self.finished) >> index & 1 == 1 {
                out.put_slice(b"data: {");
                out.put_slice(&self.head);
                out.put_slice(b"\"object\":\"");
                out.put_slice(object);
                out.put_slice(b"\",\"choices\":[{\"index\":");
                out.put_slice(index.to_string().as_bytes());
                out.put_slice(b",");
                out.put_slice(nothing);
                out.put_slice(b",\"finish_reason\":\"");
                out.put_slice(reason);
                out.put_slice(b"\"}]}\n\n");
            }
        }
        if let Some(estimate) = self.counter.estimate().filter(|_| !self.has_usage) {
            self.tell(estimate, object, out);
        }
        out.put_slice(DONE_EVENT);
        Ok(())
    }

    /// Tells a client what the upstream does not.
    fn tell(&self, estimate: Estimate, object: &[u8], out: &mut Vec<u8>) {
        out.put_slice(b"data: {");
        out.put_slice(&self.head);
        out.put_slice(b"\"object\":\"");
        out.put_slice(object);
        out.put_slice(b"\",\"choices\":[],\"usage\":");
        out.put_slice(&estimate.json());
        out.put_slice(b"}\n\n");
    }

    /// Says whether every choice that was asked for has begun, and each that began has ended.
    pub(crate) fn is_complete(&self) -> bool {
        self.started == self.finished && self.started.count_ones() >= self.choices
    }
}

//! Making OpenAI's chunks of a stream of Google's, event by event.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use memchr::memchr2;
use serde::Serialize;
use ziggurat_core::{Failure, FailureKind, Meter};
use ziggurat_provider::{
    events::{self, End},
    sse::{DONE, DONE_EVENT, Event},
    usage::Counter,
};

use super::{
    generated_id, invalid,
    message::{self, Message, Notes, Progress},
    now,
    usage::{self, Usage},
    wire::{Candidate, Counts, Generated},
};
use crate::{failure::Wire, request::Asked, template::Template};

/// Most choices of one stream; Google makes eight.
const MOST_CHOICES: usize = 128;

/// Stands for the many reasons to block a prompt.
const BLOCKED: &str = "SAFETY";

/// What is known of a stream while it is read.
pub(super) struct Reader {
    template: Arc<Template>,
    model: Option<String>,
    asked: Asked,
    meter: Option<Meter>,
    /// What must not be shown, should an upstream quote it.
    secrets: Vec<Box<str>>,
    /// What all chunks share, once the first event came.
    head: Option<Head>,
    choices: BTreeMap<u32, State>,
    counts: Option<Counts>,
    /// Counts in place of an upstream that does not.
    counter: Counter,
}

/// The beginning of each chunk, as JSON, up to its choices.
struct Head(String);

/// How far a choice has come.
#[derive(Default)]
struct State {
    progress: Progress,
    /// Whether the client knows whose words these are.
    has_role: bool,
    /// Google's reason to end, if nothing was said after it: some models send one with every piece, or before they use
    /// a tool of Google's.
    ending: Option<String>,
    /// Whether more was said after a reason to end.
    went_on: bool,
    /// Whether something was said without a reason: whoever sends one with every piece had sent one then.
    spoke_on: bool,
    /// Whether the reason is surely the last: it came alone, or with words after others that had none. An answer that came
    /// in one event with its reason may as well be the first piece of an older model's.
    is_final: bool,
}

#[derive(Serialize)]
struct Begun<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Message<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<serde_json::Value>,
    finish_reason: Option<&'static str>,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(
        template: Arc<Template>,
        model: Option<String>,
        asked: Asked,
        meter: Option<Meter>,
        secrets: Vec<Box<str>>,
    ) -> Self {
        let counter = Counter::new(asked.usage);
        Self {
            template,
            model,
            asked,
            meter,
            secrets,
            head: None,
            choices: BTreeMap::new(),
            counts: None,
            counter,
        }
    }
}

impl events::Reader for Reader {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> End {
        if event.is_damaged() {
            return Some(Err(self.unreadable()));
        }
        let data = event.data()?;
        let data = data.trim_ascii();
        if data.is_empty() || data == DONE {
            return None;
        }
        let template = &self.template;
        if event.name() == Some(b"error") {
            let wire = Wire::of_body(&mut Bytes::copy_from_slice(data), &self.secrets);
            return Some(Err(wire.in_band(template.face.label())));
        }
        let text = std::str::from_utf8(data).unwrap_or_default();
        match serde_json::from_str::<Generated<'_>>(text) {
            Ok(generated) if !generated.is_error() => self.generated(generated, out).err().map(Err),
            _ => Some(Err(match Wire::in_answer(data, &self.secrets) {
                Some(wire) => wire.in_band(template.face.label()),
                None => self.unreadable(),
            })),
        }
    }

    /// Ends a stream: Google's just stop, so that only finish reasons tell whether one is complete.
    fn end(&mut self, broken: Option<Failure>, out: &mut Vec<u8>) -> Result<(), Failure> {
        // A server may make fewer choices than were asked for, or say all in one event, but not break off then.
        if !self.has_ended() || (broken.is_some() && !self.is_complete()) {
            return Err(broken.unwrap_or_else(|| {
                Failure::new(FailureKind::Disconnected)
                    .with_message("the upstream's stream ended before its answer did")
            }));
        }
        for (index, state) in &self.choices {
            let native = state.ending.as_deref().unwrap_or_default();
            let reason = message::finish(native, state.progress.calls > 0);
            let delta = Message {
                role: (!state.has_role).then_some("assistant"),
                ..Message::default()
            };
            self.write(finished(*index, delta, reason), &Notes::default(), out);
        }
        self.tell(out);
        out.extend_from_slice(DONE_EVENT);
        Ok(())
    }

    fn unreadable(&self) -> Failure {
        invalid("the upstream's stream has an unreadable event")
    }
}

impl Reader {
    fn generated(&mut self, generated: Generated<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.head.is_none() {
            let id = generated.response_id.map(|id| id.0.into_owned());
            let native = generated
                .model_version
                .map(|version| version.0.into_owned());
            let own = self.model.as_deref().or(native.as_deref());
            self.head = Some(Head::new(&Begun {
                id: &id.filter(|id| !id.is_empty()).unwrap_or_else(generated_id),
                object: "chat.completion.chunk",
                created: now(),
                model: own.unwrap_or(&self.template.name),
            }));
        }
        if let Some(counts) = generated.usage_metadata
            && usage::tells(&counts)
        {
            usage::record(self.meter.as_ref(), &counts);
            self.counts = Some(counts);
        }
        let candidates = generated.candidates.unwrap_or_default();
        let blocked = generated.prompt_feedback.and_then(|it| it.block_reason);
        if candidates.is_empty() && blocked.is_some() && self.choices.is_empty() {
            let state = self.choices.entry(0).or_default();
            (state.ending, state.is_final) = (Some(BLOCKED.to_owned()), true);
        }
        for (at, candidate) in (0..).zip(candidates) {
            self.candidate(at, candidate, out)?;
        }
        Ok(())
    }

    /// Tells what was used: what the upstream has told, else an estimate.
    fn tell(&self, out: &mut Vec<u8>) {
        let notes = Notes::default();
        match &self.counts {
            Some(counts) if self.asked.usage.is_some() => {
                self.chunk(&[], Some(&Usage::of(counts)), &notes, out);
            }
            Some(_) => {}
            None => {
                self.counter.record(self.meter.as_ref());
                if let Some(estimate) = self.counter.estimate() {
                    self.chunk(&[], Some(&estimate), &notes, out);
                }
            }
        }
    }

    /// Writes what a candidate says. That it has ended is written at the end: more may come.
    fn candidate(
        &mut self,
        at: u32,
        mut candidate: Candidate<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let index = candidate.index.unwrap_or(at);
        let is_new = !self.choices.contains_key(&index);
        if is_new && self.choices.len() == MOST_CHOICES {
            return Err(invalid("the upstream's stream has too many choices"));
        }
        let state = self.choices.entry(index).or_default();
        let mut notes = Notes::default();
        notes.add(&candidate);
        let parts = candidate.content.take().and_then(|content| content.parts);
        let parts = parts.unwrap_or_default();
        let mut delta = Message::of(parts, &mut state.progress, &self.asked.names);
        let is_silent = delta.is_empty();
        if !is_silent {
            self.counter.text(delta.len());
        }
        let native = candidate.finish_reason.take();
        state.end(native, is_silent, self.asked.own_tools);
        if !is_silent || notes.tells() || (is_new && state.ending.is_none()) {
            let is_first = !std::mem::replace(&mut state.has_role, true);
            delta.role = is_first.then_some("assistant");
            let choice = Choice {
                index,
                delta,
                logprobs: candidate.logprobs_result.as_ref().map(message::logprobs),
                finish_reason: None,
            };
            self.write(choice, &notes, out);
        }
        Ok(())
    }

    fn write(&self, choice: Choice<'_>, notes: &Notes<'_>, out: &mut Vec<u8>) {
        self.chunk(&[choice], None::<&Usage>, notes, out);
    }

    fn chunk(
        &self,
        choices: &[Choice<'_>],
        usage: Option<&impl Serialize>,
        notes: &Notes<'_>,
        out: &mut Vec<u8>,
    ) {
        let Some(Head(head)) = &self.head else {
            return;
        };
        out.extend_from_slice(b"data: ");
        let mut at = out.len();
        out.extend_from_slice(head.as_bytes());
        write(choices, out);
        if let Some(usage) = usage {
            out.extend_from_slice(b",\"usage\":");
            write(usage, out);
        }
        if !notes.is_empty() {
            // Its members are those of the chunk.
            let object = out.len();
            write(notes, out);
            out[object] = b',';
            out.pop();
        }
        out.push(b'}');
        // Of several lines if the event was: but spaces between the tokens of JSON.
        while let Some(next) = memchr2(b'\n', b'\r', &out[at..]) {
            at += next;
            out[at] = b' ';
        }
        out.extend_from_slice(b"\n\n");
    }

    /// Whether every choice that was asked for has ended, and surely so: nothing is waited for that will not come.
    pub(super) fn is_complete(&self) -> bool {
        let is_final = |state: &State| state.ending.is_some() && state.is_final && !state.went_on;
        self.has_all() && self.choices.values().all(is_final)
    }

    /// Whether every choice that was asked for has begun.
    fn has_all(&self) -> bool {
        self.choices.len() >= self.asked.choices as usize
    }

    /// Whether every choice that began has ended, if no more comes.
    fn has_ended(&self) -> bool {
        !self.choices.is_empty() && self.choices.values().all(|state| state.ending.is_some())
    }
}

// === impl State ===

impl State {
    /// Notes a reason to end, or that the choice goes on after one. With tools of Google's no reason is surely the last.
    fn end(&mut self, native: Option<String>, is_silent: bool, own_tools: bool) {
        if !is_silent && self.ending.take().is_some() {
            self.went_on = true;
        }
        if native.is_some() {
            self.ending = native;
            self.is_final = !own_tools && (is_silent || self.spoke_on);
        } else {
            self.spoke_on |= !is_silent;
        }
    }
}

fn write(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("our own types are JSON");
}

impl Head {
    fn new(begun: &Begun<'_>) -> Self {
        let mut json = serde_json::to_string(begun).expect("our own types are JSON");
        json.pop();
        json.push_str(",\"choices\":");
        Self(json)
    }
}

fn finished<'a>(index: u32, delta: Message<'a>, reason: &'static str) -> Choice<'a> {
    Choice {
        index,
        delta,
        logprobs: None,
        finish_reason: Some(reason),
    }
}

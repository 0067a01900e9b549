//! Making chunks of events.

use std::borrow::Cow;

use bytes::{BufMut, Bytes};
use memchr::memchr2;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::{
    Failure, FailureKind, Meter,
    json::{self, Document, string},
};
use ziggurat_provider::{
    events::{self, End},
    sse::{DONE, DONE_EVENT, Event},
    usage::Counter,
};

use crate::{
    chat::{Object, raw},
    exchange::{Asked, has_calls, reason, record, unreadable},
    failure::{Wire, is_error},
    generation::{self, Generated},
    head::Head,
    template::Route,
};

/// What is known of a stream while it is read.
pub(crate) struct Reader {
    route: Route,
    /// The name that chunks bear, as JSON.
    model: Option<Bytes>,
    asked: Asked,
    meter: Option<Meter>,
    secrets: Vec<Box<str>>,
    /// What all chunks share, from the first on, as JSON.
    head: Option<Head>,
    /// The usage that was told, as JSON.
    usage: Option<Bytes>,
    /// Tokens that text generation has counted.
    counted: [Option<u64>; 2],
    /// Counts in place of an upstream that does not.
    counter: Counter,
    /// Which choices have begun, have ended, have called tools; one bit each.
    started: u128,
    finished: u128,
    calls_tools: u128,
}

/// What matters of a choice.
#[derive(Deserialize)]
struct Noted<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

/// Members of a chunk that are written anew, or left out.
const WRITTEN: [&str; 7] = [
    "id", "object", "created", "model", "choices", "usage", "results",
];

// === impl Reader ===

impl Reader {
    pub(crate) fn new(
        route: Route,
        model: Option<Bytes>,
        asked: Asked,
        meter: Option<Meter>,
        secrets: Vec<Box<str>>,
    ) -> Self {
        Self {
            route,
            model,
            asked,
            meter,
            secrets,
            head: None,
            usage: None,
            counted: [None; 2],
            counter: Counter::new(asked.usage),
            started: 0,
            finished: 0,
            calls_tools: 0,
        }
    }
}

impl events::Reader for Reader {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> End {
        if event.is_damaged() {
            return Some(Err(invalid()));
        }
        let Some(data) = event.data().filter(|data| !data.is_empty()) else {
            // It keeps the connection alive.
            out.put_slice(b":\n\n");
            return None;
        };
        if data.trim_ascii() == DONE {
            return Some(self.done(out));
        }
        let document = Document::parse(Bytes::copy_from_slice(&data));
        let is_error_event = event.name() == Some(b"error");
        match document {
            Ok(document) if !is_error_event && !is_error(&document) => self.read(&document, out),
            Err(_) if !is_error_event => Some(Err(invalid())),
            _ => Some(Err(Wire::of(&data, &self.secrets).in_band())),
        }
    }

    /// Ends a stream of which no more comes. There is no event that ends it: it is whole if its choices are. A server may make
    /// fewer of them than were asked for, but not break off then.
    fn end(&mut self, broken: Option<Failure>, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.is_complete() || (broken.is_none() && self.has_ended()) {
            return self.done(out);
        }
        Err(broken.unwrap_or_else(|| Failure::new(FailureKind::Disconnected)))
    }

    fn unreadable(&self) -> Failure {
        invalid()
    }
}

impl Reader {
    fn read(&mut self, document: &Document, out: &mut Vec<u8>) -> End {
        let choices = match self.route {
            Route::Chat => self.chat(document),
            Route::Text => self.generated(document),
        };
        match choices {
            Ok(Some(choices)) => {
                self.counter.piece();
                self.print(document, &choices, out);
                None
            }
            // The last event tells the usage.
            Ok(None) if self.usage.is_some() && self.has_ended() => Some(self.done(out)),
            Ok(None) => None,
            Err(failure) => Some(Err(failure)),
        }
    }

    /// Reads a chunk of chat; `None` if it has no choices.
    fn chat<'d>(&mut self, document: &'d Document) -> Result<Option<Cow<'d, [u8]>>, Failure> {
        if let Some(usage) = document.get("usage").filter(|usage| !usage.is_null()) {
            self.usage = Some(Bytes::copy_from_slice(usage.as_bytes()));
            if let Some(meter) = &self.meter {
                record(meter, document);
            }
        }
        let choices = document.get("choices");
        let Some(text) = choices.filter(|choices| !choices.is_null()) else {
            return Ok(None);
        };
        if let Some(noted) = Noted::going_on(text.text()) {
            for choice in noted {
                self.begin(choice.index, choice.delta);
            }
            return Ok(Some(text.as_bytes().into()));
        }
        let mut choices: Vec<Object> = serde_json::from_str(text.text()).map_err(|_| invalid())?;
        if choices.is_empty() {
            return Ok(None);
        }
        let mut changed = false;
        for choice in &mut choices {
            changed |= self.note(choice)?;
        }
        match changed {
            true => serde_json::to_vec(&choices)
                .map(|choices| Some(choices.into()))
                .map_err(|_| invalid()),
            false => Ok(Some(text.as_bytes().into())),
        }
    }

    /// Notes what a choice says, and gives its finish reason OpenAI's name. Says whether it had another.
    fn note(&mut self, choice: &mut Object) -> Result<bool, Failure> {
        let get = |name| choice.get(name).map(|value| &**value);
        let bit = self.begin(get("index"), get("delta"));
        let Some(native) = finish(get("finish_reason")) else {
            return Ok(false);
        };
        let openai = reason(native, self.calls_tools & bit != 0)?;
        self.finished |= bit;
        let Some(openai) = openai.and_then(|openai| raw(format!("\"{openai}\""))) else {
            return Ok(false);
        };
        choice.insert("finish_reason".to_owned(), openai);
        Ok(true)
    }

    /// Notes that a choice has come, and whether it calls tools. Returns its bit.
    fn begin(&mut self, index: Option<&RawValue>, delta: Option<&RawValue>) -> u128 {
        let index = index.map_or("0", RawValue::get);
        let bit = 1 << index.parse().unwrap_or(0_u32).min(u128::BITS - 1);
        self.started |= bit;
        let delta = delta.filter(|delta| delta.get().contains("tool_calls"));
        let delta = delta.and_then(|delta| serde_json::from_str::<Object>(delta.get()).ok());
        if delta.is_some_and(|delta| has_calls(&delta)) {
            self.calls_tools |= bit;
        }
        bit
    }

    /// Reads a piece of generated text; `None` if it has no result.
    fn generated(&mut self, document: &Document) -> Result<Option<Cow<'static, [u8]>>, Failure> {
        let Some(results) = document.get("results") else {
            return Ok(None);
        };
        let Some(piece) = Generated::of(document)? else {
            return match results.text().contains('{') {
                true => Err(invalid()),
                false => Ok(None),
            };
        };
        // Tokens of the answer are counted on from piece to piece, those of the prompt are told once.
        let [input, output] = &mut self.counted;
        *input = piece.input.max(*input);
        *output = piece.output.max(*output);
        self.usage = generation::usage(*input, *output);
        if let Some(meter) = &self.meter {
            meter.record(*input, *output);
        }
        let is_first = self.started == 0;
        self.started = 1;
        if piece.finish.is_some() {
            self.finished = 1;
        }
        Ok(Some(piece.delta(is_first).into_bytes().into()))
    }

    /// Passes a chunk on; what is not known of it stays.
    fn print(&mut self, document: &Document, choices: &[u8], out: &mut Vec<u8>) {
        let model = &self.model;
        let head = self.head.get_or_insert_with(|| Head::of(document, model));
        let start = out.len();
        head.begin(choices, out);
        for (name, value) in document.members() {
            if !WRITTEN.contains(&&*name) {
                out.put_u8(b',');
                out.put_slice(&string(&name));
                out.put_u8(b':');
                out.put_slice(value.as_bytes());
            }
        }
        out.put_u8(b'}');
        // Of several lines if the event was: but spaces between the tokens of JSON.
        let mut at = start;
        while let Some(next) = memchr2(b'\n', b'\r', &out[at..]) {
            at += next;
            out[at] = b' ';
        }
        out.put_slice(b"\n\n");
    }

    /// Ends a stream whose upstream says that it is complete.
    fn done(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        let Some(head) = self.head.as_ref().filter(|_| self.started != 0) else {
            return Err(Failure::new(FailureKind::Disconnected)
                .with_message("the upstream's stream ended before its first chunk"));
        };
        for index in 0..u128::BITS {
            let bit = 1 << index;
            if self.started & !self.finished & bit != 0 {
                let reason = match self.calls_tools & bit {
                    0 => "stop",
                    _ => "tool_calls",
                };
                let choices =
                    format!(r#"[{{"index":{index},"delta":{{}},"finish_reason":"{reason}"}}]"#);
                head.chunk(choices.as_bytes(), None, out);
            }
        }
        self.counter.record(self.meter.as_ref());
        if let Some(estimate) = self.counter.estimate() {
            let told = self.usage.clone();
            let usage = told.unwrap_or_else(|| estimate.json());
            head.chunk(b"[]", Some(&usage), out);
        }
        out.put_slice(DONE_EVENT);
        Ok(())
    }

    /// Whether every choice that was asked for has ended.
    pub(crate) fn is_complete(&self) -> bool {
        self.has_ended() && self.started.count_ones() >= self.asked.choices
    }

    /// Whether every choice that began has ended.
    fn has_ended(&self) -> bool {
        self.started != 0 && self.started == self.finished
    }
}

// === impl Noted ===

impl<'a> Noted<'a> {
    /// Reads choices of which none ends: they are passed on as they came. `None` for any others.
    fn going_on(choices: &'a str) -> Option<Vec<Self>> {
        let choices: Vec<&RawValue> = serde_json::from_str(choices).ok()?;
        let read = |choice: &&'a RawValue| {
            let object = choice.get().starts_with('{').then_some(choice.get())?;
            let choice: Self = serde_json::from_str(object).ok()?;
            finish(choice.finish_reason).is_none().then_some(choice)
        };
        let choices: Option<Vec<_>> = choices.iter().map(read).collect();
        choices.filter(|choices| !choices.is_empty())
    }
}

/// The reason of a choice that has ended.
fn finish(reason: Option<&RawValue>) -> Option<&RawValue> {
    reason.filter(|reason| json::is_said(reason.get()))
}

fn invalid() -> Failure {
    unreadable(
        Failure::new(FailureKind::InvalidResponse)
            .with_message("the upstream's stream has an unreadable event"),
    )
}

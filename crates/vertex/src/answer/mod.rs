//! Reading the answer to one call.

mod message;
mod stream;
mod usage;
mod wire;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Extensions, StatusCode, response::Parts};
use serde::Serialize;
use ziggurat_core::{ContentFiltered, Failure, FailureKind, Meter, json::Printed};
use ziggurat_provider::{
    Answer, Call, Exchange, Streamed, credentials::Used, events::Events, redact,
};

use self::{
    message::{Message, Notes, Progress},
    stream::Reader,
    usage::Usage,
    wire::{Candidate, Generated},
};
use crate::{failure::Wire, names::Names, request::Asked, template::Template};

/// One generation.
pub(crate) struct Chat {
    template: Arc<Template>,
    /// The name that answers bear; without it, the model's own.
    model: Option<String>,
    asked: Asked,
    meter: Option<Meter>,
    /// The token that the call was made with.
    used: Used,
    events: Option<Box<Events<Reader>>>,
    /// Set by a plain answer whose first choice was held back.
    filtered: bool,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(flatten)]
    notes: Notes<'a>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<serde_json::Value>,
    finish_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_specific_fields: Option<Native>,
}

#[derive(Serialize)]
struct Native {
    native_finish_reason: String,
}

impl Chat {
    pub(crate) fn new(template: Arc<Template>, call: Call<'_>, asked: Asked, used: Used) -> Self {
        Self {
            template,
            model: call.public_model().map(str::to_owned),
            asked,
            meter: call.extensions().get::<Meter>().cloned(),
            used,
            events: None,
            filtered: false,
        }
    }

    fn events(&mut self) -> &mut Events<Reader> {
        let Self {
            template,
            model,
            asked,
            meter,
            used,
            events,
            ..
        } = self;
        events.get_or_insert_with(|| {
            let (template, asked) = (template.clone(), asked.clone());
            let secrets = template.secrets(used);
            let reader = Reader::new(template, model.clone(), asked, meter.clone(), secrets);
            Box::new(Events::new(reader))
        })
    }

    /// Makes the client's answer.
    fn completion(&mut self, generated: Generated<'_>) -> Result<Printed, Failure> {
        let blocked = generated.prompt_feedback.and_then(|it| it.block_reason);
        let candidates = generated.candidates.unwrap_or_default();
        let mut notes = Notes::default();
        let choices: Vec<_> = match (candidates.is_empty(), blocked) {
            (true, Some(reason)) => vec![held_back(0, reason)],
            (true, None) => return Err(invalid("the upstream's answer has no candidates")),
            (false, _) => {
                let indexed = (0..).zip(candidates);
                let names = &self.asked.names;
                let choices =
                    indexed.map(|(at, candidate)| choice(at, candidate, &mut notes, names));
                choices.collect()
            }
        };
        self.filtered = choices[0].finish_reason == "content_filter";
        let usage = generated.usage_metadata.map(|counts| {
            usage::record(self.meter.as_ref(), &counts);
            match self.filtered {
                true => Usage::of(&counts).without_details(),
                false => Usage::of(&counts),
            }
        });
        let id = generated.response_id.map(|id| id.0.into_owned());
        let native = generated.model_version.as_ref().map(|version| &*version.0);
        let completion = Completion {
            id: &id.filter(|id| !id.is_empty()).unwrap_or_else(generated_id),
            object: "chat.completion",
            created: now(),
            model: self
                .model
                .as_deref()
                .or(native)
                .unwrap_or(&self.template.name),
            choices,
            usage,
            notes,
        };
        let text = serde_json::to_vec(&completion).expect("our own types are JSON");
        Ok(Bytes::from(text).into())
    }
}

/// Makes a choice of a candidate.
fn choice<'a>(
    at: u32,
    mut candidate: Candidate<'a>,
    notes: &mut Notes<'a>,
    names: &Names,
) -> Choice<'a> {
    let index = candidate.index.unwrap_or(at);
    let native = candidate.finish_reason.take().unwrap_or_default();
    if message::is_withheld(&native) {
        return held_back(index, native);
    }
    notes.add(&candidate);
    let parts = candidate.content.and_then(|content| content.parts);
    let mut progress = Progress::default();
    let mut message = Message::of(parts.unwrap_or_default(), &mut progress, names);
    for block in &mut message.thinking_blocks {
        block.index = None;
    }
    message.role = Some("assistant");
    message.content.get_or_insert_default();
    let calls_tools = !message.tool_calls.is_empty();
    Choice {
        index,
        message,
        logprobs: candidate.logprobs_result.as_ref().map(message::logprobs),
        finish_reason: message::finish(&native, calls_tools),
        provider_specific_fields: Some(Native {
            native_finish_reason: native,
        }),
    }
}

/// The choice of an answer that was held back, or of a prompt.
fn held_back(index: u32, reason: String) -> Choice<'static> {
    let message = Message {
        role: Some("assistant"),
        content: Some(None),
        ..Message::default()
    };
    Choice {
        index,
        message,
        logprobs: None,
        finish_reason: "content_filter",
        provider_specific_fields: Some(Native {
            native_finish_reason: reason,
        }),
    }
}

impl Exchange for Chat {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        Answer::of(head, self.asked.stream).map_err(unreadable)
    }

    fn is_secret(&self, header: &[u8]) -> bool {
        redact::is_needed(&self.template.secrets(&self.used), header)
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        let template = &self.template;
        let wire = Wire::of_body(body, &template.secrets(&self.used));
        let failure = wire.refused(template.face.label(), head.status, &head.headers);
        if head.status == StatusCode::UNAUTHORIZED
            && let Some(tokens) = &template.tokens
        {
            tokens.forget(|token| self.used.is(&token.header));
        }
        failure
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let template = &self.template;
        match serde_json::from_slice::<Generated<'_>>(&body) {
            Ok(generated) if !generated.is_error() => self.completion(generated),
            _ => Err(
                match Wire::in_answer(&body, &template.secrets(&self.used)) {
                    Some(wire) => wire.in_band(template.face.label()),
                    None => invalid("the upstream's answer is not one of Gemini's"),
                },
            ),
        }
    }

    fn tell(&self, extensions: &mut Extensions) {
        if self.filtered {
            extensions.insert(ContentFiltered);
        }
    }

    fn chunk(&mut self, data: Bytes) -> Streamed {
        self.events().chunk(data)
    }

    fn is_complete(&self) -> bool {
        self.events
            .as_ref()
            .is_some_and(|events| events.reader().is_complete())
    }

    fn end(&mut self, broken: Option<Failure>) -> Streamed {
        self.events().end(broken)
    }
}

fn invalid(message: &str) -> Failure {
    unreadable(Failure::new(FailureKind::InvalidResponse).with_message(message))
}

/// Gives an unreadable answer the status that it has with other providers.
fn unreadable(failure: Failure) -> Failure {
    failure.with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An id as OpenAI makes them.
fn generated_id() -> String {
    let random = std::iter::repeat_with(fastrand::alphanumeric).take(29);
    "chatcmpl-".chars().chain(random).collect()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

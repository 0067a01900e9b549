//! Reading the answer to one call.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Extensions, StatusCode, response::Parts};
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::{
    ContentFiltered, Failure, FailureKind, JsonBody, Meter,
    json::{Document, Printed},
};
use ziggurat_provider::{Answer, Exchange, Streamed, credentials::Used, events::Events, redact};

use crate::{
    chat::{Object, print, raw},
    dialect::generated_id,
    failure::{Wire, is_error},
    finish,
    generation::{self, Generated},
    stream::Reader,
    template::{Route, Template},
};

/// One chat completion.
pub(crate) struct Chat {
    template: Arc<Template>,
    /// The name that answers bear, as JSON.
    model: Option<Bytes>,
    asked: Asked,
    /// Where the usage is written, if anyone wants to know.
    meter: Option<Meter>,
    /// The token that the call was made with.
    used: Used,
    events: Option<Box<Events<Reader>>>,
    /// Set by a plain answer whose first choice was held back.
    filtered: bool,
}

/// What a request asked for, as far as the answer shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) stream: bool,
    /// The chunk that tells the usage: with about so many tokens of the prompt, if the upstream does not tell.
    pub(crate) usage: Option<u64>,
    pub(crate) choices: u32,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl Chat {
    pub(crate) fn new(
        template: Arc<Template>,
        model: Option<Bytes>,
        asked: Asked,
        meter: Option<Meter>,
        used: Used,
    ) -> Self {
        Self {
            template,
            model,
            asked,
            meter,
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
            let secrets = template.secrets(used);
            let reader = Reader::new(
                template.route,
                model.clone(),
                *asked,
                meter.clone(),
                secrets,
            );
            Box::new(Events::new(reader))
        })
    }

    /// Makes an answer of chat of one of text generation.
    fn generated(&mut self, document: Document) -> Result<Option<JsonBody>, Failure> {
        let Some(generated) = Generated::of(&document)? else {
            return Ok(None);
        };
        self.filtered = generated.finish == Some("content_filter");
        let usage = generation::usage(generated.input, generated.output);
        if let Some(meter) = &self.meter {
            meter.record(generated.input, generated.output);
        }
        let mut answer = JsonBody::new(document);
        for name in ["results", "model_id", "created_at"] {
            answer.remove(name);
        }
        answer.set("choices", generated.choices());
        if let Some(usage) = usage {
            answer.set("usage", usage);
        }
        Ok(Some(answer))
    }

    /// Makes an answer of the client's API of one of chat; `None` if it says nothing.
    fn chat(&mut self, document: Document) -> Result<Option<JsonBody>, Failure> {
        let choices = document.get("choices").map(|choices| choices.text());
        let choices = choices.and_then(|text| serde_json::from_str::<Vec<Object>>(text).ok());
        let mut choices = choices.unwrap_or_default();
        if choices.is_empty() || !choices.iter().all(says_something) {
            return Ok(None);
        }
        self.filtered = choices.first().is_some_and(is_filtered);
        let mut changed = false;
        for choice in &mut choices {
            changed |= finish_as_openai(choice)?;
        }
        let choices = changed.then(|| print(&choices)).flatten();
        if let Some(meter) = &self.meter {
            record(meter, &document);
        }
        let mut answer = JsonBody::new(document);
        if let Some(choices) = choices {
            answer.set("choices", choices);
        }
        Ok(Some(answer))
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
        let wire = Wire::of_body(body, &self.template.secrets(&self.used));
        if head.status == StatusCode::UNAUTHORIZED
            && let Some(tokens) = self.template.tokens()
        {
            // It was withdrawn before its time.
            tokens.forget(|token| self.used.is(token));
        }
        wire.refused(head.status, &head.headers)
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let invalid = |message: &str| {
            let failure = Failure::new(FailureKind::InvalidResponse).with_message(message);
            Err(unreadable(failure))
        };
        let Ok(document) = Document::parse(body) else {
            return invalid("the upstream's answer is not a JSON object");
        };
        if is_error(&document) {
            return Err(Wire::of(document.raw(), &self.template.secrets(&self.used)).in_band());
        }
        let answer = match self.template.route {
            Route::Chat => self.chat(document),
            Route::Text => self.generated(document),
        };
        let Some(mut answer) = answer? else {
            return invalid("the upstream's answer has no choices");
        };
        if is_empty(answer.get("id")) {
            answer.set("id", generated_id());
        }
        answer.set("object", r#""chat.completion""#);
        if !answer.contains("created") {
            answer.set("created", now().to_string());
        }
        match &self.model {
            Some(model) => answer.set("model", model.clone()),
            None if answer.contains("model") => {}
            None => answer.set("model", ziggurat_core::json::string(&self.template.model)),
        }
        Ok(answer.print())
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

impl Template {
    /// What must not be shown of a call: the keys, and the token that it was made with.
    fn secrets(&self, used: &Used) -> Vec<Box<str>> {
        let keys = self.secrets.iter().cloned();
        keys.chain(used.secret()).collect()
    }
}

/// Gives an unreadable answer the status that clients of the provider know it under.
pub(crate) fn unreadable(failure: Failure) -> Failure {
    failure.with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Writes the `usage` of an answer, or of a chunk, as far as it is there and of use.
pub(crate) fn record(meter: &Meter, document: &Document) {
    let usage = document.get("usage");
    if let Some(Ok(usage)) = usage.map(|usage| usage.decode::<Usage>()) {
        meter.record(usage.prompt_tokens, usage.completion_tokens);
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// Whether an id says nothing.
pub(crate) fn is_empty(id: Option<&[u8]>) -> bool {
    id.is_none_or(|id| matches!(id, b"\"\"" | b"null"))
}

fn is_filtered(choice: &Object) -> bool {
    let reason = choice.get("finish_reason").map(|reason| reason.get());
    let reason = reason.and_then(|reason| serde_json::from_str::<String>(reason).ok());
    reason.is_some_and(|reason| finish::openai(&reason, false).ok() == Some("content_filter"))
}

fn says_something(choice: &Object) -> bool {
    let message = choice.get("message");
    message.is_some_and(|message| message.get().starts_with('{'))
}

/// Gives a choice's finish reason OpenAI's name. Says whether it had another.
fn finish_as_openai(choice: &mut Object) -> Result<bool, Failure> {
    let calls_tools = choice
        .get("message")
        .and_then(|message| serde_json::from_str::<Object>(message.get()).ok())
        .is_some_and(|message| has_calls(&message));
    let Some(native) = choice.get("finish_reason") else {
        return Ok(false);
    };
    let openai = reason(native, calls_tools)?;
    let Some(openai) = openai.and_then(|openai| raw(format!("\"{openai}\""))) else {
        return Ok(false);
    };
    choice.insert("finish_reason".to_owned(), openai);
    Ok(true)
}

/// Whether a message, or the delta of one, calls tools.
pub(crate) fn has_calls(message: &Object) -> bool {
    let calls = message.get("tool_calls");
    calls.is_some_and(|calls| calls.get().contains('{'))
}

/// Returns OpenAI's word for a finish reason that has another.
///
/// # Errors
///
/// It is that of an answer that broke off.
pub(crate) fn reason(
    native: &RawValue,
    calls_tools: bool,
) -> Result<Option<&'static str>, Failure> {
    let Ok(native) = serde_json::from_str::<String>(native.get()) else {
        return Ok(None);
    };
    let openai = finish::openai(&native, calls_tools)?;
    Ok((openai != native).then_some(openai))
}

//! Reading the answer to one call.

use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, StatusCode, header::CONTENT_TYPE, response::Parts};
use serde_json::Value;
use ziggurat_core::{ContentFiltered, Failure, FailureKind, Meter, json::Printed};
use ziggurat_provider::{Answer, Exchange, Streamed, redact};

use crate::{
    answer::Said,
    aws::{Signer, Source},
    dialect::{Auth, Template},
    failure,
    model::Route,
    request::Asked,
    stream::Events,
};

const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// One chat completion.
pub(crate) struct Chat {
    template: Arc<Template>,
    /// The name that answers bear, as JSON.
    model: Bytes,
    meter: Option<Meter>,
    asked: Arc<Asked>,
    /// The keys that the call was made with.
    signer: Signer,
    events: Option<Box<Events>>,
    /// Set by a plain answer that was held back.
    filtered: bool,
}

impl Chat {
    pub(crate) fn new(
        template: Arc<Template>,
        model: Option<Bytes>,
        meter: Option<Meter>,
        asked: Asked,
        signer: Signer,
    ) -> Self {
        let model = model.unwrap_or_else(|| template.name.clone());
        Self {
            template,
            model,
            meter,
            asked: Arc::new(asked),
            signer,
            events: None,
            filtered: false,
        }
    }

    fn events(&mut self) -> &mut Events {
        let Self {
            template,
            model,
            meter,
            asked,
            events,
            ..
        } = self;
        events.get_or_insert_with(|| {
            let events = Events::new(
                template.clone(),
                model.clone(),
                meter.clone(),
                asked.clone(),
            );
            Box::new(events)
        })
    }
}

impl Exchange for Chat {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        announced(head, self.asked.stream)
    }

    fn is_secret(&self, header: &[u8]) -> bool {
        redact::is_needed(&self.template.secrets, header)
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        self.template.refused(head, body, &self.signer)
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let said = match self.template.model.route {
            Route::Converse => Said::of_converse(&body),
            Route::Invoke => Said::of_anthropic(&body),
        };
        match said {
            Some(said) => {
                self.filtered = said.is_filtered();
                Ok(said
                    .print(&self.asked, &self.model, self.meter.as_ref())
                    .into())
            }
            None => Err(in_place_of_answer(&body, &self.template.secrets)),
        }
    }

    fn tell(&self, extensions: &mut Extensions) {
        if self.filtered {
            extensions.insert(ContentFiltered);
        }
    }

    fn chunk(&mut self, data: Bytes) -> Streamed {
        self.events().chunk(&data)
    }

    fn is_complete(&self) -> bool {
        self.events
            .as_ref()
            .is_some_and(|events| events.is_complete())
    }

    fn end(&mut self, broken: Option<Failure>) -> Streamed {
        self.events().end(broken)
    }
}

impl Template {
    /// The failure of an error answer to a call that `signer` knows the keys of.
    pub(crate) fn refused(&self, head: &Parts, body: &mut Bytes, signer: &Signer) -> Failure {
        let failure = failure::refused(head, body, &self.secrets);
        // Keys may be over before their time, for instance while this machine slept.
        if let Auth::Signed(Source::Fetched(keys)) = &self.auth
            && failure::says_expired(&failure)
        {
            keys.forget(|held| signer.is(held));
        }
        failure
    }
}

/// Says what the head of a successful answer announces; `stream` whether a stream was asked for.
pub(crate) fn announced(head: &Parts, stream: bool) -> Result<Answer, Failure> {
    let media = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media = media
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    match (media.trim().eq_ignore_ascii_case(EVENT_STREAM), stream) {
        (true, true) => Ok(Answer::Stream),
        (true, false) => Err(invalid(
            "the upstream answered with a stream that was not asked for",
        )),
        // Any other stream is not Bedrock's.
        (false, true) => match Answer::of(head, true).map_err(no_answer)? {
            Answer::Plain => Ok(Answer::Plain),
            Answer::Stream | Answer::Undeclared => Err(invalid(
                "the upstream answered with neither its stream nor JSON",
            )),
        },
        (false, false) => Answer::of(head, false).map_err(no_answer),
    }
}

/// The failure of a success that is none: an error, or nothing that can be read.
pub(crate) fn in_place_of_answer(body: &[u8], secrets: &[Box<str>]) -> Failure {
    let json: Result<Value, _> = serde_json::from_slice(body);
    let Ok(json) = json else {
        return invalid("the upstream's answer is not JSON");
    };
    let exception = json
        .get("__type")
        .or_else(|| json.pointer("/Output/__type"));
    let has = |name| json.get(name).is_some_and(|value| !value.is_null());
    match exception.and_then(Value::as_str) {
        None if !has("message") && !has("error") => {
            invalid("the upstream's answer has no message of the model")
        }
        exception => failure::in_band(exception, body, secrets),
    }
}

/// The failure of an answer that is none, with the status that clients of other providers know it under.
pub(crate) fn invalid(message: &str) -> Failure {
    no_answer(Failure::new(FailureKind::InvalidResponse).with_message(message))
}

fn no_answer(failure: Failure) -> Failure {
    failure.with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

//! Reading the answer to one call.

use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, response::Parts};
use ziggurat_core::{
    ContentFiltered, Failure, JsonBody, Meter, Operation,
    json::{Document, Printed},
};
use ziggurat_provider::{Answer, Exchange, Streamed, events::Events, redact};

use super::stream::Reader;
use crate::{
    failure::Wire,
    template::{Template, invalid, no_answer},
    usage::Usage,
};

/// One message, or one count of tokens.
pub(super) struct Native {
    context: Arc<Context>,
    operation: Operation,
    stream: bool,
    events: Option<Box<Events<Reader>>>,
    /// Set by a plain answer that was held back.
    filtered: bool,
}

/// What is known of a call.
pub(super) struct Context {
    pub(super) template: Arc<Template>,
    /// The name that answers bear, as JSON; the upstream's if there is none.
    pub(super) model: Option<Bytes>,
    pub(super) meter: Option<Meter>,
}

impl Native {
    pub(super) fn new(
        template: Arc<Template>,
        operation: Operation,
        model: Option<Bytes>,
        stream: bool,
        meter: Option<Meter>,
    ) -> Self {
        let context = Context {
            template,
            model,
            meter,
        };
        Self {
            context: Arc::new(context),
            operation,
            stream,
            events: None,
            filtered: false,
        }
    }

    fn events(&mut self) -> &mut Events<Reader> {
        let context = &self.context;
        let new = || Box::new(Events::new(Reader::new(context.clone())));
        self.events.get_or_insert_with(new)
    }

    fn message(&mut self, document: Document) -> Result<Printed, Failure> {
        let content = document.get("content");
        if !content.is_some_and(|content| content.text().starts_with('[')) {
            return Err(invalid("the upstream's answer has no content"));
        }
        let usage = document.get("usage").map(|usage| usage.decode::<Usage>());
        if let Some(Ok(usage)) = usage {
            usage.record(self.context.meter.as_ref());
        }
        self.filtered = document
            .get("stop_reason")
            .is_some_and(|reason| reason.as_bytes() == br#""refusal""#);
        Ok(self.context.named(document).print())
    }
}

// === impl Context ===

impl Context {
    /// Gives a message the name that answers bear.
    pub(super) fn named(&self, message: Document) -> JsonBody {
        let mut message = JsonBody::new(message);
        if let Some(model) = &self.model
            && message.get("model") != Some(&model[..])
        {
            message.set("model", model.clone());
        }
        message
    }
}

impl Exchange for Native {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        Answer::of(head, self.stream).map_err(no_answer)
    }

    fn is_secret(&self, header: &[u8]) -> bool {
        redact::is_needed(&self.context.template.secrets, header)
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        let wire = Wire::of_body(body, &self.context.template.secrets);
        wire.refused(head.status, &head.headers)
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let document = Document::parse(body)
            .map_err(|_| invalid("the upstream's answer is not a JSON object"))?;
        let kind = document.get("type").map(|kind| kind.as_bytes());
        if kind == Some(br#""error""#) || document.get("error").is_some() {
            let wire = Wire::of(document.raw(), &self.context.template.secrets);
            return Err(wire.in_band());
        }
        if self.operation != Operation::CountTokens {
            return self.message(document);
        }
        match document.get("input_tokens") {
            Some(_) => Ok(JsonBody::new(document).print()),
            None => Err(invalid("the upstream's answer has no input_tokens")),
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

    fn end(&mut self, broken: Option<Failure>) -> Streamed {
        self.events().end(broken)
    }
}

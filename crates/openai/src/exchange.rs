//! Reading the answer to one call.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{Extensions, HeaderValue, StatusCode, response::Parts};
use ziggurat_core::{
    ContentFiltered, Failure, FailureKind, JsonBody, Meter, Operation,
    json::{Document, Printed, Value},
};
use ziggurat_provider::{Answer, Exchange, Excused, Streamed, events::Events, redact};

use crate::{
    Face,
    choices::{Look, are_answers, check_reasons, is_filtered, repair},
    chunk::error_of_choice,
    dialect::generated_id,
    failure::{Wire, is_error},
    json_tool, length,
    stream::Reader,
    template::Template,
    usage,
};

/// One call.
pub(crate) struct Chat {
    template: Arc<Template>,
    /// The name that answers bear, as JSON.
    model: Option<Bytes>,
    asked: Asked,
    /// Where the usage is written, if anyone wants to know.
    meter: Option<Meter>,
    /// The fetched token that was at hand when the call was made.
    token: Option<HeaderValue>,
    events: Option<Box<Events<Reader>>>,
    /// Set by a plain answer whose first choice was held back.
    filtered: bool,
}

/// What a request asked for, as far as the answer shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) operation: Operation,
    pub(crate) stream: bool,
    /// The chunk that tells the usage: with about so many tokens of the prompt, if the upstream does not tell.
    pub(crate) usage: Option<u64>,
    /// More than one choice.
    pub(crate) many: bool,
    /// So many choices, of a stream.
    pub(crate) choices: u32,
    /// JSON of a schema, by way of a tool that is called with it.
    pub(crate) json_tool: bool,
}

impl Chat {
    pub(crate) fn new(
        template: Arc<Template>,
        model: Option<Bytes>,
        asked: Asked,
        meter: Option<Meter>,
        token: Option<HeaderValue>,
    ) -> Self {
        Self {
            template,
            model,
            asked,
            meter,
            token,
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
            events,
            ..
        } = self;
        events.get_or_insert_with(|| {
            let reader = Reader::new(template.clone(), model.clone(), *asked, meter.clone());
            Box::new(Events::new(reader))
        })
    }

    /// Makes the client's choices of the upstream's, if they differ.
    ///
    /// # Errors
    ///
    /// One of them broke off.
    fn choices(
        &mut self,
        choices: Value<'_>,
        has_arguments: bool,
    ) -> Result<Option<Bytes>, Failure> {
        let look = Look::at(choices.as_bytes(), self.asked, has_arguments);
        if !(look.may_be_filtered || look.needs_repair || self.asked.json_tool) {
            return Ok(None);
        }
        let choices = choices.text();
        if look.needs_repair {
            check_reasons(choices)?;
        }
        self.filtered = look.may_be_filtered && is_filtered(choices);
        let repaired = look.needs_repair.then(|| repair(choices)).flatten();
        if !self.asked.json_tool {
            return Ok(repaired);
        }
        let repaired_text = repaired
            .as_deref()
            .and_then(|it| std::str::from_utf8(it).ok());
        let unwrapped = json_tool::unwrap(repaired_text.unwrap_or(choices));
        Ok(unwrapped.or(repaired))
    }
}

impl Exchange for Chat {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        Answer::of(head, self.asked.stream).map_err(|failure| self.template.invalid(failure))
    }

    fn is_secret(&self, header: &[u8]) -> bool {
        redact::is_needed(&self.template.secrets, header)
    }

    fn excused(&mut self, head: &Parts, body: &Bytes) -> Option<Excused> {
        let template = &self.template;
        if self.asked.operation != Operation::Chat
            || head.status != StatusCode::BAD_REQUEST
            || !Wire::of(body, &template.secrets).is_out_of_tokens()
        {
            return None;
        }
        let model = self.model.as_ref().unwrap_or(&template.model_json);
        Some(match self.asked.stream {
            true => Excused::Stream(length::stream(model)),
            false => Excused::Plain(length::completion(model).into()),
        })
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        self.template.refused(head, body, self.token.as_ref())
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let template = &self.template;
        let invalid = |message: &str| {
            let failure =
                Failure::new(FailureKind::InvalidResponse).with_message(message.to_owned());
            Err(template.invalid(failure))
        };
        let Ok(document) = Document::parse(body) else {
            return invalid("the upstream's answer is not a JSON object");
        };
        let error = match document.get("error") {
            Some(error) if is_error(error) => Some(&document.raw()[..]),
            _ => error_of_choice(&document).map(Value::as_bytes),
        };
        if let Some(error) = error {
            let wire = Wire::of(error, &template.secrets());
            return Err(wire.in_band(template.face.label()));
        }
        let list = match self.asked.operation {
            Operation::Embeddings => "data",
            _ => "choices",
        };
        let Some(choices) = document.get(list) else {
            return invalid(&format!("the upstream's answer has no {list}"));
        };
        if !document.has_objects(list) {
            let message = format!("the {list} of the upstream's answer are no list of objects");
            return invalid(&message);
        }
        let is_choices = self.asked.operation != Operation::Embeddings;
        if is_choices && !are_answers(choices, self.asked) {
            return invalid("a choice of the upstream's answer says nothing, or there is none");
        }
        if let Some(meter) = &self.meter {
            usage::record(meter, &document);
        }
        let choices = match is_choices {
            true => self.choices(choices, document.may_have_member("arguments"))?,
            false => None,
        };
        let without_id = is_choices
            && document
                .get("id")
                .is_none_or(|id| matches!(id.as_bytes(), b"\"\"" | b"null"));
        let mut answer = JsonBody::new(document);
        if let Some(model) = &self.model {
            answer.set("model", model.clone());
        }
        if without_id {
            answer.set("id", generated_id(self.asked.operation));
        }
        if let Some(choices) = choices {
            answer.set("choices", choices);
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
    /// Makes a failure of an error answer to a call with this fetched token, if there was one.
    pub(crate) fn refused(
        &self,
        head: &Parts,
        body: &mut Bytes,
        token: Option<&HeaderValue>,
    ) -> Failure {
        let wire = Wire::of_body(body, &self.secrets());
        if head.status == StatusCode::UNAUTHORIZED
            && let (Some(tokens), Some(used)) = (&self.tokens, token)
        {
            // It was withdrawn before its time.
            tokens.forget(|held| held == used);
        }
        wire.refused(self.face.label(), head.status, &head.headers)
    }

    /// What must not be shown now: a fetched token too.
    pub(crate) fn secrets(&self) -> Cow<'_, [Box<str>]> {
        let token = self.tokens.as_ref().and_then(|tokens| tokens.at_hand());
        let token = token.as_ref().and_then(|token| token.to_str().ok());
        match token.and_then(|token| token.strip_prefix("Bearer ")) {
            None => Cow::Borrowed(&self.secrets),
            Some(token) => {
                let all = self.secrets.iter().map(|secret| &**secret);
                all.chain([token]).map(Box::from).collect()
            }
        }
    }

    /// Gives an unreadable answer the status that clients of the provider know it under.
    pub(crate) fn invalid(&self, failure: Failure) -> Failure {
        match self.face {
            Face::OpenAi | Face::Azure => failure.with_status(StatusCode::INTERNAL_SERVER_ERROR),
            Face::HuggingFace => failure,
        }
    }
}

//! Reading the answer to one call.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Extensions, response::Parts};
use ziggurat_core::{ContentFiltered, Failure, Meter, json::Printed};
use ziggurat_provider::{Answer, Exchange, Streamed, events::Events, redact};

use crate::{
    answer,
    failure::Wire,
    request::Asked,
    stream::Reader,
    template::{Template, no_answer},
};

/// One chat completion.
pub(crate) struct Chat {
    context: Arc<Context>,
    events: Option<Box<Events<Reader>>>,
    /// Set by a plain answer that was held back.
    filtered: bool,
}

/// What is known of a call.
pub(crate) struct Context {
    pub(crate) template: Arc<Template>,
    /// The name that answers bear; the upstream's if there is none.
    pub(crate) model: Option<String>,
    pub(crate) asked: Asked,
    pub(crate) meter: Option<Meter>,
    /// Ids of Anthropic's are of another form than clients of OpenAI's know.
    pub(crate) id: String,
    pub(crate) created: u64,
}

impl Chat {
    pub(crate) fn new(
        template: Arc<Template>,
        model: Option<String>,
        asked: Asked,
        meter: Option<Meter>,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let context = Context {
            model,
            asked,
            meter,
            id: generated_id(),
            created: now.map_or(0, |now| now.as_secs()),
            template,
        };
        Self {
            context: Arc::new(context),
            events: None,
            filtered: false,
        }
    }

    fn events(&mut self) -> &mut Events<Reader> {
        let context = &self.context;
        let new = || Box::new(Events::new(Reader::new(context.clone())));
        self.events.get_or_insert_with(new)
    }
}

impl Exchange for Chat {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        Answer::of(head, self.context.asked.stream).map_err(no_answer)
    }

    fn is_secret(&self, header: &[u8]) -> bool {
        redact::is_needed(&self.context.template.secrets, header)
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        let wire = Wire::of_body(body, &self.context.template.secrets);
        wire.refused(head.status, &head.headers)
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let answer = answer::translate(&body, &self.context)?;
        self.filtered = answer.filtered;
        Ok(Bytes::from(answer.text).into())
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

/// Returns an id as OpenAI makes them.
fn generated_id() -> String {
    let random = std::iter::repeat_with(fastrand::alphanumeric).take(29);
    "chatcmpl-".chars().chain(random).collect()
}

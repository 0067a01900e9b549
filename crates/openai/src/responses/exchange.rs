//! Reading the answer to one call.

use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, HeaderValue, StatusCode, response::Parts};
use serde::Deserialize;
use ziggurat_core::{
    ContentFiltered, Failure, FailureKind, JsonBody, Meter,
    json::{Document, Printed},
};
use ziggurat_provider::{Answer, Exchange, Streamed, events::Events, redact};

use super::{is_text, stream::Reader};
use crate::{
    Face,
    failure::{Wire, is_error},
    template::Template,
};

/// One response.
pub(crate) struct Reply {
    context: Arc<Context>,
    stream: bool,
    /// The fetched token that was at hand when the call was made.
    token: Option<HeaderValue>,
    events: Option<Box<Events<Reader>>>,
    /// Set by a plain answer that was held back.
    filtered: bool,
}

/// What is known of a call.
pub(super) struct Context {
    template: Arc<Template>,
    /// The name that answers bear, as JSON; the upstream's if there is none.
    model: Option<Bytes>,
    meter: Option<Meter>,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl Reply {
    pub(crate) fn new(
        template: Arc<Template>,
        model: Option<Bytes>,
        stream: bool,
        meter: Option<Meter>,
        token: Option<HeaderValue>,
    ) -> Self {
        let context = Context {
            template,
            model,
            meter,
        };
        Self {
            context: Arc::new(context),
            stream,
            token,
            events: None,
            filtered: false,
        }
    }

    fn events(&mut self) -> &mut Events<Reader> {
        let context = &self.context;
        let new = || Box::new(Events::new(Reader(context.clone())));
        self.events.get_or_insert_with(new)
    }
}

// === impl Context ===

impl Context {
    /// Reads a response as far as it matters here, and gives it the name that answers bear.
    ///
    /// # Errors
    ///
    /// It is one that has failed.
    pub(super) fn read(&self, response: Document) -> Result<JsonBody, Failure> {
        if let Some(error) = response.get("error").filter(|error| is_error(*error)) {
            return Err(self.error(error.as_bytes()));
        }
        if is_text(response.get("status"), "failed") {
            return Err(Failure::new(FailureKind::Server).with_message("the response failed"));
        }
        let usage = response.get("usage").map(|usage| usage.decode::<Usage>());
        if let (Some(Ok(usage)), Some(meter)) = (usage, &self.meter) {
            meter.record(usage.input_tokens, usage.output_tokens);
        }
        let mut response = JsonBody::new(response);
        if let Some(model) = &self.model
            && response.contains("model")
            && response.get("model") != Some(&model[..])
        {
            response.set("model", model.clone());
        }
        Ok(response)
    }

    /// Makes the failure of an error, given alone: the answer around it is no one's to quote.
    pub(super) fn error(&self, error: &[u8]) -> Failure {
        self.whole_error(&[b"{\"error\":", error, b"}"].concat())
    }

    /// Makes the failure of an event that is nothing but an error.
    pub(super) fn whole_error(&self, event: &[u8]) -> Failure {
        let template = &self.template;
        Wire::of(event, &template.secrets()).in_band(template.face.label())
    }

    pub(super) fn invalid(&self, message: &str) -> Failure {
        let failure = Failure::new(FailureKind::InvalidResponse).with_message(message);
        self.template.invalid(failure)
    }
}

impl Exchange for Reply {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        let answer = Answer::of(head, self.stream);
        answer.map_err(|failure| self.context.template.invalid(failure))
    }

    fn is_secret(&self, header: &[u8]) -> bool {
        redact::is_needed(&self.context.template.secrets, header)
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        let template = &self.context.template;
        let failure = template.refused(head, body, self.token.as_ref());
        let text = failure.upstream().map_or("", |upstream| upstream.message());
        // A compatible server that has no such endpoint is no worse for it; another may have one.
        let has_no_endpoint = matches!(
            head.status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
        ) && !text.to_lowercase().contains("model");
        if template.face == Face::OpenAi && has_no_endpoint {
            return Failure::new(FailureKind::BadRequest)
                .with_message("the upstream has no endpoint for this operation: /responses")
                .with_unsent();
        }
        failure
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let context = &self.context;
        let document = Document::parse(body)
            .map_err(|_| context.invalid("the upstream's answer is not a JSON object"))?;
        let is_list = |output: &ziggurat_core::json::Value<'_>| output.text().starts_with('[');
        let has_output = document.get("output").as_ref().is_some_and(is_list);
        self.filtered = is_filtered(&document);
        let response = context.read(document)?;
        match has_output {
            true => Ok(response.print()),
            false => Err(context.invalid("the upstream's answer has no output")),
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

/// Whether a response ended because its content was held back.
fn is_filtered(response: &Document) -> bool {
    #[derive(Deserialize)]
    struct Details {
        reason: Option<String>,
    }
    let details = response.get("incomplete_details");
    let details = details.and_then(|details| details.decode::<Details>().ok());
    details.is_some_and(|details| details.reason.as_deref() == Some("content_filter"))
}

//! Anthropic's Messages API in front of models of others.

mod answer;
mod block;
mod exchange;
mod reason;
mod request;
mod stream;
mod tools;
mod turns;
mod usage;

use std::{fmt, sync::Arc};

use http::Request;
use serde_json::json;
use ziggurat_core::{
    Failure, FailureKind, JsonBody, LlmRequest, Operation,
    json::{Document, Printed},
    overrides::{Parameters, Prefilled},
};
use ziggurat_provider::{Authorized, Call, Dialect, LocalAnswer, Outgoing, params};

use self::{exchange::Message, request::translate};

/// Counts the tokens of a request in Anthropic's form; `None` if there is nothing to count. The parameters take the place
/// of members of the body. It is called where it may block.
pub type Counter =
    Arc<dyn Fn(&LlmRequest, Option<&Parameters>) -> Option<u64> + Send + Sync + 'static>;

/// A dialect that takes requests of Anthropic's Messages API as well, whatever it speaks itself: see the
/// [crate page](crate).
///
/// A message is translated into a request for chat, which the inner dialect makes its own of; its answer, or stream of
/// chunks, is translated back. Requests of other operations pass. Cloning counts references.
#[derive(Clone)]
pub struct Messages {
    inner: Arc<dyn Dialect>,
    options: Options,
    counter: Option<Counter>,
}

/// What the inner dialect, and its model, take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) own_words: bool,
    pub(crate) reasons: bool,
}

impl Messages {
    /// Adds the Messages API to a dialect that speaks OpenAI's chat format. Messages that it [takes](Dialect::takes) as
    /// they are go to it untouched.
    #[must_use]
    pub fn new(inner: Arc<dyn Dialect>) -> Self {
        Self {
            inner,
            options: Options {
                own_words: false,
                reasons: true,
            },
            counter: None,
        }
    }

    /// Says whether the inner dialect takes Anthropic's own words in requests for chat: `thinking`, `thinking_blocks` and
    /// `cache_control`. Default: no.
    #[must_use]
    pub fn own_words(mut self, known: bool) -> Self {
        self.options.own_words = known;
        self
    }

    /// Says whether the model may think before it answers. One that may not is not asked to. Default: yes.
    #[must_use]
    pub fn reasons(mut self, reasons: bool) -> Self {
        self.options.reasons = reasons;
        self
    }

    /// Answers requests for the number of tokens with this function.
    #[must_use]
    pub fn counter(mut self, counter: Counter) -> Self {
        self.counter = Some(counter);
        self
    }

    fn is_translated(&self, call: Call<'_>) -> bool {
        call.operation() == Operation::Messages && !self.inner.takes(call)
    }
}

impl Dialect for Messages {
    fn provider(&self) -> &'static str {
        self.inner.provider()
    }

    fn speaks(&self, operation: Operation) -> bool {
        self.inner.speaks(operation)
            || match operation {
                Operation::Messages => self.inner.speaks(Operation::Chat),
                Operation::CountTokens => self.counter.is_some(),
                _ => false,
            }
    }

    fn answer(&self, call: Call<'_>) -> Option<LocalAnswer> {
        if call.operation() != Operation::CountTokens || self.inner.speaks(Operation::CountTokens) {
            return self.inner.answer(call);
        }
        let counter = self.counter.clone()?;
        let parameters = call.extensions().get::<Parameters>().cloned();
        let request = call.extensions().get::<LlmRequest>().cloned();
        let request =
            request.unwrap_or_else(|| LlmRequest::new("", false, call.body().document().clone()));
        Some(LocalAnswer::blocking(move || {
            let count = counter(&request, parameters.as_ref());
            let count = count.ok_or_else(|| {
                Failure::new(FailureKind::BadRequest)
                    .with_param("messages")
                    .with_message("the messages cannot be counted")
            })?;
            let text = json!({ "input_tokens": count }).to_string();
            Ok(Printed::from(bytes::Bytes::from(text)))
        }))
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        if !self.is_translated(call) {
            return self.inner.prepare(call);
        }
        // What a hop says is in the words of the request.
        let body = params::body(call, &[]);
        let is_prefilled = call.extensions().get::<Prefilled>().is_some();
        let text = translate(&body, call.stream(), is_prefilled, self.options)?;
        let document = Document::parse(text.into())
            .map_err(|error| Failure::new(FailureKind::Other).with_source(error))?;
        let mut chat = Request::new(JsonBody::new(document));
        *chat.headers_mut() = call.headers().clone();
        let extensions = chat.extensions_mut();
        extensions.clone_from(call.extensions());
        extensions.remove::<Parameters>();
        extensions.insert(Operation::Chat);
        let Outgoing { request, exchange } = self.inner.prepare(call.with_request(&chat))?;
        let tokens = call.extensions().get::<LlmRequest>();
        let tokens = tokens.and_then(|request| request.tokens().guess());
        Ok(Outgoing {
            request,
            exchange: Box::new(Message::new(exchange, tokens)),
        })
    }

    fn authorize(&self, request: Request<Printed>) -> Authorized {
        self.inner.authorize(request)
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("inner", &self.inner)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Returns an id as Anthropic makes them.
fn generated_id(prefix: &str) -> String {
    let random = std::iter::repeat_with(fastrand::alphanumeric).take(24);
    prefix.chars().chain(random).collect()
}

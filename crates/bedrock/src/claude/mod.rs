//! Claude on Bedrock, in Anthropic's own form.

mod betas;
mod exchange;
mod request;

use std::fmt;

use http::{HeaderName, Method, Request};
use ziggurat_core::{Failure, FailureKind, JsonBody, Operation, json::Document, json::Printed};
use ziggurat_provider::{Authorized, Call, Dialect, Outgoing, inline};

use self::{betas::Betas, exchange::Native};
use crate::{Bedrock, aws::Signer};

/// The version of the format, as Bedrock calls it.
const VERSION: &[u8] = br#""bedrock-2023-05-31""#;

const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// A Claude model on Bedrock that takes messages in Anthropic's own form: another dialect makes these requests and reads
/// their answers, this one sends them by InvokeModel with AWS's credentials. All else goes to [`Bedrock`].
pub struct Claude<D> {
    bedrock: Bedrock,
    dialect: D,
}

impl<D> Claude<D> {
    /// Lets a deployment take the messages of `dialect`, which speaks Anthropic's Messages API; its URL and key are not
    /// used. Without [`Bedrock::takes_messages`] none is ever taken.
    pub fn new(bedrock: Bedrock, dialect: D) -> Self {
        Self { bedrock, dialect }
    }
}

impl<D: Dialect> Claude<D> {
    /// Makes a request for a message.
    fn message(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let template = self.bedrock.template();
        let Some(uris) = &template.invoke_uris else {
            return Err(Failure::new(FailureKind::BadRequest)
                .with_message("the model takes no messages in Anthropic's form"));
        };
        request::check(call, &template.model)?;
        let messages = call.body().get("messages").unwrap_or_default();
        inline::check(messages, "Claude on Bedrock")?;
        let Outgoing {
            request: native,
            exchange,
        } = self.dialect.prepare(call)?;
        let (theirs, body) = native.into_parts();
        let document = Document::parse(body.into_bytes()).map_err(|_| {
            Failure::new(FailureKind::Other).with_message("the request of the model is no object")
        })?;
        let mut body = JsonBody::new(document);
        let mut betas = Betas::default();
        betas.asked(body.get("anthropic_beta"))?;
        betas.named(&template.headers, |_| true);
        betas.named(&theirs.headers, |beta| {
            betas::is_known(beta, &template.model)
        });
        request::fit(&mut body);
        body.set("anthropic_version", VERSION);
        if let Some(list) = betas.print() {
            body.set("anthropic_beta", list);
        }
        let stream = call.stream();
        let signer = Signer::default();
        let mut request = Request::new(body.print());
        request.extensions_mut().insert(signer.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uris[usize::from(stream)].clone();
        *request.headers_mut() = self.bedrock.headers(call);
        // They are said in the body.
        request.headers_mut().remove(BETA);
        request.headers_mut().remove(ANTHROPIC_VERSION);
        Ok(Outgoing {
            request,
            exchange: Box::new(Native::new(exchange, template.clone(), signer, stream)),
        })
    }
}

impl<D: Dialect> Dialect for Claude<D> {
    fn provider(&self) -> &'static str {
        self.bedrock.provider()
    }

    fn speaks(&self, operation: Operation) -> bool {
        match operation {
            Operation::Messages => {
                self.bedrock.takes_messages() && self.dialect.speaks(Operation::Messages)
            }
            _ => self.bedrock.speaks(operation),
        }
    }

    fn takes(&self, call: Call<'_>) -> bool {
        let operation = call.operation();
        self.speaks(operation)
            && (operation != Operation::Messages
                || request::check(call, &self.bedrock.template().model).is_ok())
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        match call.operation() {
            Operation::Messages => self.message(call),
            _ => self.bedrock.prepare(call),
        }
    }

    fn authorize(&self, request: Request<Printed>) -> Authorized {
        self.bedrock.authorize(request)
    }
}

impl<D: fmt::Debug> fmt::Debug for Claude<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claude")
            .field("bedrock", &self.bedrock)
            .field("dialect", &self.dialect)
            .finish()
    }
}

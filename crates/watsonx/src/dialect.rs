use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, header::AUTHORIZATION};
use serde::Deserialize;
use ziggurat_core::{
    Failure, JsonBody, Meter,
    json::{self, Printed},
};
use ziggurat_provider::{Authorized, Call, Dialect, Outgoing};

use crate::{
    Builder,
    exchange::{Asked, Chat},
    template::Template,
    token::Tokens,
};

/// The dialect of one deployment of watsonx.ai. See the [crate page](crate).
///
/// Cloning counts a reference.
#[derive(Clone)]
pub struct Watsonx {
    template: Arc<Template>,
}

impl Watsonx {
    /// Starts to describe a deployment: a model as watsonx knows it, or `deployment/` and the id of a deployment there.
    pub fn builder(model: impl Into<String>) -> Builder {
        Builder::new(model)
    }

    pub(crate) fn new(template: Arc<Template>) -> Self {
        Self { template }
    }

    /// Returns the base URL in use, without its query.
    #[must_use]
    pub fn api_base(&self) -> &str {
        &self.template.api_base
    }
}

impl Dialect for Watsonx {
    fn provider(&self) -> &'static str {
        "ibm.watsonx.ai"
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let template = &self.template;
        let stream = call.stream();
        let asked = Asked {
            stream,
            usage: stream && asks_for_usage(call.body()),
        };
        let body = template.body(call, stream)?;
        let mut request = Request::new(body.print());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = match stream {
            true => template.urls.stream.clone(),
            false => template.urls.plain.clone(),
        };
        *request.headers_mut() = template.headers.clone();
        call.forward(request.headers_mut());
        let token = template.tokens().and_then(Tokens::at_hand);
        if template.tokens().is_some() {
            // A client's, should an operator forward it, has no business here.
            request.headers_mut().remove(AUTHORIZATION);
        }
        if let Some(token) = &token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let model = call.public_model().map(json::string);
        let meter = call.extensions().get::<Meter>().cloned();
        let chat = Chat::new(template.clone(), model, asked, meter, token);
        Ok(Outgoing {
            request,
            exchange: Box::new(chat),
        })
    }

    fn authorize(&self, request: Request<Printed>) -> Authorized {
        let tokens = match self.template.tokens() {
            Some(tokens) if !request.headers().contains_key(AUTHORIZATION) => tokens.get(),
            _ => return Authorized::Now(request),
        };
        let mut request = request;
        Authorized::Later(Box::pin(async move {
            let token = tokens.await?;
            request.headers_mut().insert(AUTHORIZATION, token);
            Ok(request)
        }))
    }
}

impl fmt::Debug for Watsonx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watsonx")
            .field("model", &self.template.model)
            .field("api_base", &self.template.api_base)
            .finish_non_exhaustive()
    }
}

/// Whether the client wants the chunk that tells the usage.
fn asks_for_usage(body: &JsonBody) -> bool {
    #[derive(Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    let Some(options) = body.get("stream_options") else {
        return false;
    };
    let options: Result<Options, _> = serde_json::from_slice(options);
    options.is_ok_and(|options| options.include_usage == Some(true))
}

/// Returns an id as OpenAI makes them, as JSON, for answers that have none.
pub(crate) fn generated_id() -> Bytes {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(29)
        .collect();
    format!("\"chatcmpl-{random}\"").into()
}

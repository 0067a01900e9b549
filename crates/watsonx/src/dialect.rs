use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header::AUTHORIZATION};
use ziggurat_core::{
    Failure, Meter,
    json::{self, Printed},
};
use ziggurat_provider::{Authorized, Call, Dialect, Outgoing, credentials::Used, params, usage};

use crate::{
    Builder,
    exchange::{Asked, Chat},
    template::Template,
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
        let body = template.body(call, stream)?;
        let asked = Asked {
            stream,
            usage: stream.then(|| usage::asked(call, call.body())).flatten(),
            choices: params::choices(&body, &["n"]),
        };
        let mut request = Request::new(body.print());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = match stream {
            true => template.urls.stream.clone(),
            false => template.urls.plain.clone(),
        };
        *request.headers_mut() = template.headers.clone();
        call.forward(request.headers_mut());
        let used = Used::default();
        if template.tokens().is_some() {
            // A client's, should an operator forward it, has no business here.
            request.headers_mut().remove(AUTHORIZATION);
            request.extensions_mut().insert(used.clone());
        }
        let model = call.public_model().map(json::string);
        let meter = call.extensions().get::<Meter>().cloned();
        let chat = Chat::new(template.clone(), model, asked, meter, used);
        Ok(Outgoing {
            request,
            exchange: Box::new(chat),
        })
    }

    fn authorize(&self, request: Request<Printed>) -> Authorized {
        let Some(tokens) = self.template.tokens() else {
            return Authorized::Now(request);
        };
        if let Some(token) = tokens.at_hand() {
            return Authorized::Now(with_token(request, token));
        }
        let token = tokens.get();
        Authorized::Later(Box::pin(
            async move { Ok(with_token(request, token.await?)) },
        ))
    }
}

fn with_token(mut request: Request<Printed>, token: HeaderValue) -> Request<Printed> {
    if let Some(used) = request.extensions().get::<Used>() {
        used.note(&token);
    }
    request.headers_mut().insert(AUTHORIZATION, token);
    request
}

impl fmt::Debug for Watsonx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watsonx")
            .field("model", &self.template.model)
            .field("api_base", &self.template.api_base)
            .finish_non_exhaustive()
    }
}

/// Returns an id as OpenAI makes them, as JSON, for answers that have none.
pub(crate) fn generated_id() -> Bytes {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(29)
        .collect();
    format!("\"chatcmpl-{random}\"").into()
}

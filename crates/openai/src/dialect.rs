use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, header::AUTHORIZATION};
use serde::de::IgnoredAny;
use ziggurat_core::{
    Failure, FailureKind, JsonBody, Meter, Operation,
    json::{Document, Printed},
};
use ziggurat_provider::{self as provider, Authorized, Call, Dialect, Exchange, Outgoing, params};

use ziggurat_provider::credentials::Cached;

use crate::{
    Builder,
    builder::API_KEY,
    exchange::{Asked, Chat},
    responses::{self, Reply},
    template::Template,
    usage,
};

/// Whose variant of the format is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// OpenAI, or any compatible server at an `api_base`.
    OpenAi,
    /// Azure OpenAI.
    Azure,
    /// Hugging Face's text-generation-inference, or whatever speaks like it, at an `api_base`.
    HuggingFace,
}

/// The dialect of one deployment of OpenAI's family. See the [crate page](crate).
///
/// Cloning counts a reference.
#[derive(Clone)]
pub struct OpenAi {
    template: Arc<Template>,
}

// === impl Face ===

impl Face {
    /// Returns the environment variables that stand in for a setting (`api_key`, `api_base`) that is not given, the
    /// first that is set counts.
    #[must_use]
    pub fn env_defaults(self, setting: &str) -> &'static [&'static str] {
        match (self, setting) {
            (Self::OpenAi, "api_key") => &["OPENAI_API_KEY"],
            (Self::OpenAi, "api_base") => &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
            (Self::Azure, "api_key") => &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"],
            (Self::Azure, "api_base") => &["AZURE_API_BASE"],
            (Self::HuggingFace, "api_key") => &["HF_TOKEN", "HUGGINGFACE_API_KEY"],
            (Self::HuggingFace, "api_base") => &["HF_API_BASE", "HUGGINGFACE_API_BASE"],
            _ => &[],
        }
    }

    /// The name in messages for clients.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::Azure => "Azure",
            Self::HuggingFace => "Huggingface",
        }
    }

    /// The name that OpenTelemetry has for the provider.
    fn otel(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Azure => "azure.ai.openai",
            Self::HuggingFace => "huggingface",
        }
    }
}

// === impl OpenAi ===

impl OpenAi {
    /// Starts to describe a deployment: whose variant it speaks, and the model as the upstream knows it (on Azure the
    /// deployment's name, after `o_series/` or `gpt5_series/` if it is such a model and does not show it).
    pub fn builder(face: Face, model: impl Into<String>) -> Builder {
        Builder::new(face, model)
    }

    pub(crate) fn new(template: Arc<Template>) -> Self {
        Self { template }
    }

    /// Returns the base URL in use, without its query.
    #[must_use]
    pub fn api_base(&self) -> &str {
        &self.template.api_base
    }

    /// Says whether the deployment lacks a key that it needs; each call then fails.
    #[must_use]
    pub fn is_key_missing(&self) -> bool {
        self.template.key_missing
    }

    /// Says whether calls carry neither a key nor a token, as servers of one's own allow.
    #[must_use]
    pub fn is_keyless(&self) -> bool {
        let template = &self.template;
        let headers = &template.headers;
        let has_key = headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY);
        !has_key && template.tokens.is_none()
    }
}

impl Dialect for OpenAi {
    fn provider(&self) -> &'static str {
        self.template.face.otel()
    }

    fn speaks(&self, operation: Operation) -> bool {
        let template = &self.template;
        match template.completions_only {
            true => operation == Operation::Completions,
            false => template.uris.of(operation).is_some(),
        }
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let template = &self.template;
        let operation = call.operation();
        let Some(uri) = template.uris.of(operation) else {
            let message = format!("no endpoint for this operation: {}", operation.path());
            return Err(Failure::new(FailureKind::BadRequest).with_message(message));
        };
        if template.key_missing {
            return Err(template.missing_key());
        }
        let is_response = operation == Operation::Responses;
        let mut body = match is_response {
            true => responses::body(template, call)?,
            false => template.body(call),
        };
        let json_tool = operation == Operation::Chat && template.fit(&mut body)?;
        let asked = asked(&body, call, json_tool);
        let meter = call.extensions().get::<Meter>().cloned();
        if meter.is_some() && asked.stream && !is_response {
            usage::ask(template, &mut body);
        }
        let model = call.public_model().map(|model| template.quoted(model));
        let name = template.names.as_ref().map(Cached::at_hand);
        if let Some(Some(name)) = &name {
            body.set("model", name.clone());
        }
        let mut request = Request::new(body.print());
        if let Some(None) = name {
            request.extensions_mut().insert(Unnamed);
        }
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = template.headers.clone();
        call.forward(request.headers_mut());
        let token = template.tokens.as_ref().and_then(Cached::at_hand);
        if template.tokens.is_some() {
            // A client's, should an operator forward it, has no business here.
            request.headers_mut().remove(AUTHORIZATION);
        }
        if let Some(token) = &token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let template = template.clone();
        let exchange: Box<dyn Exchange> = match is_response {
            true => Box::new(Reply::new(template, model, asked.stream, meter, token)),
            false => Box::new(Chat::new(template, model, asked, meter, token)),
        };
        Ok(Outgoing { request, exchange })
    }

    fn authorize(&self, mut request: Request<Printed>) -> Authorized {
        let template = &self.template;
        let unnamed = request.extensions_mut().remove::<Unnamed>().is_some();
        let name = template.names.as_ref().filter(|_| unnamed).map(Cached::get);
        let has_token = request.headers().contains_key(AUTHORIZATION);
        let token = template.tokens.as_ref().filter(|_| !has_token);
        let token = token.map(Cached::get);
        if name.is_none() && token.is_none() {
            return Authorized::Now(request);
        }
        Authorized::Later(Box::pin(async move {
            if let Some(name) = name {
                request = named(request, name.await?)?;
            }
            if let Some(token) = token {
                request.headers_mut().insert(AUTHORIZATION, token.await?);
            }
            Ok(request)
        }))
    }
}

/// Marks a request whose model has not got its name at the provider yet.
#[derive(Clone)]
struct Unnamed;

/// Puts the model's name into a request that was printed without.
fn named(request: Request<Printed>, name: Bytes) -> Result<Request<Printed>, Failure> {
    let (head, body) = request.into_parts();
    let body = Document::parse(body.into_bytes())
        .map_err(|error| Failure::new(FailureKind::Other).with_source(error))?;
    let mut body = JsonBody::new(body);
    body.set("model", name);
    Ok(Request::from_parts(head, body.print()))
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("face", &self.template.face)
            .field("model", &self.template.model)
            .field("api_base", &self.template.api_base)
            .finish_non_exhaustive()
    }
}

fn asked(body: &JsonBody, call: Call<'_>, json_tool: bool) -> Asked {
    let operation = call.operation();
    let stream = call.stream() && operation != Operation::Embeddings;
    Asked {
        operation,
        stream,
        usage: stream.then(|| provider::usage::asked(call, body)).flatten(),
        // A list of prompts has an answer to each.
        many: body.contains("n") || operation != Operation::Chat,
        choices: if stream { choices(body, operation) } else { 1 },
        json_tool,
    }
}

/// How many choices the client wants: `n` of each prompt.
fn choices(body: &JsonBody, operation: Operation) -> u32 {
    let prompts = match operation {
        Operation::Completions => body.get("prompt").map_or(1, prompts),
        _ => 1,
    };
    params::choices(body, &["n"]).saturating_mul(prompts)
}

/// How many prompts a member holds; a list of numbers is one, of tokens.
fn prompts(prompt: &[u8]) -> u32 {
    let items = prompt.trim_ascii().strip_prefix(b"[");
    let first = items.and_then(|items| items.trim_ascii_start().first());
    if !matches!(first, Some(b'"' | b'[')) {
        return 1;
    }
    // Its items take no room.
    let prompts = serde_json::from_slice::<Vec<IgnoredAny>>(prompt);
    prompts.map_or(1, |prompts| prompts.len().try_into().unwrap_or(u32::MAX))
}

/// Returns an id as OpenAI makes them, as JSON, for servers that give none.
pub(crate) fn generated_id(operation: Operation) -> Bytes {
    let prefix = match operation {
        Operation::Completions => "cmpl",
        _ => "chatcmpl",
    };
    let random: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(29)
        .collect();
    format!("\"{prefix}-{random}\"").into()
}

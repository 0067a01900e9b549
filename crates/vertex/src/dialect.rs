use std::{fmt, sync::Arc};

use http::{HeaderName, HeaderValue, Method, Request};
use ziggurat_core::{Failure, FailureKind, json::Printed};
use ziggurat_provider::{
    Authorized, Call, Dialect, Outgoing,
    credentials::{Cached, Used},
};

use crate::{
    Builder,
    answer::Chat,
    auth::{self, Token},
    request,
    template::Template,
    url,
};

/// Which of Google's services is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// Vertex AI: a project and a location of Google Cloud, access tokens.
    VertexAi,
    /// Google AI Studio: a key.
    Gemini,
}

/// The dialect of one deployment of a Gemini model. See the [crate page](crate).
///
/// Cloning counts a reference.
#[derive(Clone)]
pub struct Vertex {
    template: Arc<Template>,
}

// === impl Face ===

impl Face {
    /// Returns the environment variables that stand in for a setting (`api_key`, `api_base`, `vertex_project`,
    /// `vertex_location`, `vertex_credentials`) that is not given, the first that is set counts.
    #[must_use]
    pub fn env_defaults(self, setting: &str) -> &'static [&'static str] {
        match (self, setting) {
            (Self::VertexAi, "api_base") => &["VERTEXAI_API_BASE"],
            (Self::VertexAi, "vertex_project") => &["VERTEXAI_PROJECT"],
            (Self::VertexAi, "vertex_location") => &["VERTEXAI_LOCATION", "VERTEX_LOCATION"],
            (Self::VertexAi, "vertex_credentials") => {
                &["VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"]
            }
            (Self::Gemini, "api_key") => &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            (Self::Gemini, "api_base") => &["GEMINI_API_BASE"],
            _ => &[],
        }
    }

    /// The name in messages for clients.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::VertexAi => "Vertex_ai",
            Self::Gemini => "Gemini",
        }
    }

    /// The name in model strings.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::VertexAi => "vertex_ai",
            Self::Gemini => "gemini",
        }
    }
}

// === impl Vertex ===

impl Vertex {
    /// Starts to describe a deployment: which service it calls, and the model as that knows it.
    pub fn builder(face: Face, model: impl Into<String>) -> Builder {
        Builder::new(face, model)
    }

    pub(crate) fn new(template: Template) -> Self {
        Self {
            template: Arc::new(template),
        }
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
}

impl Dialect for Vertex {
    fn provider(&self) -> &'static str {
        match self.template.face {
            Face::VertexAi => "gcp.vertex_ai",
            Face::Gemini => "gcp.gemini",
        }
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let template = &self.template;
        if template.key_missing {
            return Err(template.missing_key());
        }
        let (body, asked) = request::translate(template, call)?;
        let mut request = Request::new(body.into());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = match asked.stream {
            true => template.endpoint.stream.clone(),
            false => template.endpoint.plain.clone(),
        };
        *request.headers_mut() = template.headers.clone();
        call.forward(request.headers_mut());
        let used = Used::default();
        if template.tokens.is_some() {
            request.extensions_mut().insert(used.clone());
        }
        let chat = Chat::new(template.clone(), call, asked, used);
        Ok(Outgoing {
            request,
            exchange: Box::new(chat),
        })
    }

    fn authorize(&self, request: Request<Printed>) -> Authorized {
        authorize(self.template.tokens.as_ref(), request, None)
    }
}

/// Adds the token to a request, if it needs one, in another header too if one is named; and the machine's project, if it
/// is told with the token.
pub(crate) fn authorize(
    tokens: Option<&Cached<Token>>,
    request: Request<Printed>,
    also: Option<&'static HeaderName>,
) -> Authorized {
    let Some(tokens) = tokens else {
        return Authorized::Now(request);
    };
    match tokens.at_hand() {
        Some(token) if !url::lacks_project(request.uri()) => {
            Authorized::Now(with_token(request, &token, also))
        }
        _ => {
            let token = tokens.get();
            Authorized::Later(Box::pin(async move {
                let token = token.await?;
                let mut request = with_token(request, &token, also);
                if url::lacks_project(request.uri()) {
                    let project = token.project.as_deref();
                    let uri = project.and_then(|name| url::with_project(request.uri(), name));
                    *request.uri_mut() = uri.ok_or_else(|| {
                        Failure::new(FailureKind::Other)
                            .with_message("no project: set vertex_project or VERTEXAI_PROJECT")
                    })?;
                }
                Ok(request)
            }))
        }
    }
}

fn with_token(
    mut request: Request<Printed>,
    token: &Token,
    also: Option<&HeaderName>,
) -> Request<Printed> {
    if let Some(used) = request.extensions().get::<Used>() {
        used.note(&token.header);
    }
    let headers = request.headers_mut();
    headers.insert(auth::HEADER, token.header.clone());
    if let Some(name) = also
        && let Ok(header) = token.header.to_str()
        && let Ok(mut bare) = HeaderValue::from_str(header.trim_start_matches("Bearer "))
    {
        bare.set_sensitive(true);
        headers.insert(name.clone(), bare);
    }
    request
}

impl fmt::Debug for Vertex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vertex")
            .field("face", &self.template.face)
            .field("model", &self.template.name)
            .field("api_base", &self.template.api_base)
            .finish_non_exhaustive()
    }
}

//! Models of others on Vertex AI.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, Request, header::AUTHORIZATION};
use ziggurat_core::{
    Failure, FailureKind, JsonBody, Operation,
    json::{Document, Printed},
};
use ziggurat_provider::{
    Authorized, Call, Dialect, HttpClient, Outgoing,
    credentials::{Cached, Used},
    inline,
};

use crate::{
    ConfigError, Face,
    auth::Token,
    builder::Place,
    dialect::authorize,
    guarded::Guarded,
    url::{Address, Endpoint},
};

/// The version of its API that Anthropic's models on Vertex AI speak.
const ANTHROPIC_VERSION: &str = "vertex-2023-10-16";

/// Anthropic's header for keys, which LiteLLM sends the token in as well.
static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A Claude model on Vertex AI: another dialect makes Anthropic's requests and reads the answers, this one sends them to
/// Google with Google's tokens.
pub struct Partner<D> {
    dialect: D,
    place: Arc<Hosted>,
}

struct Hosted {
    endpoint: Endpoint,
    api_base: Box<str>,
    tokens: Option<Cached<Token>>,
}

/// Describes where a [`Partner`] is; see [`Partner::claude`]. Empty texts count as not set.
#[must_use]
pub struct PartnerBuilder {
    model: String,
    place: Place,
}

// === impl Partner ===

impl Partner<()> {
    /// Starts to describe the deployment of a Claude model, as Vertex AI calls it: `claude-3-5-sonnet@20240620`.
    pub fn claude(model: impl Into<String>) -> PartnerBuilder {
        PartnerBuilder {
            model: model.into(),
            place: Place::default(),
        }
    }
}

impl<D> Partner<D> {
    /// Returns the base URL in use, without its query.
    #[must_use]
    pub fn api_base(&self) -> &str {
        &self.place.api_base
    }
}

impl<D: Dialect> Dialect for Partner<D> {
    fn provider(&self) -> &'static str {
        "gcp.vertex_ai"
    }

    fn speaks(&self, operation: Operation) -> bool {
        // Tokens are counted at another address.
        operation != Operation::CountTokens && self.dialect.speaks(operation)
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let messages = call.body().get("messages").unwrap_or_default();
        inline::check(messages, "Claude on Vertex AI")?;
        let Outgoing {
            request: native,
            exchange,
        } = self.dialect.prepare(call)?;
        let (mut head, body) = native.into_parts();
        let document = Document::parse(body.into_bytes()).map_err(|_| {
            Failure::new(FailureKind::Other).with_message("the request of the model is no object")
        })?;
        let mut body = JsonBody::new(document);
        body.remove("model");
        let version = format!("\"{ANTHROPIC_VERSION}\"");
        body.set("anthropic_version", Bytes::from(version));
        head.uri = match call.stream() {
            true => self.place.endpoint.stream.clone(),
            false => self.place.endpoint.plain.clone(),
        };
        // Keys of Anthropic's are not for Google.
        head.headers.remove(&X_API_KEY);
        head.headers.remove(AUTHORIZATION);
        let tokens = self.place.tokens.clone();
        let used = Used::default();
        if tokens.is_some() {
            head.extensions.insert(used.clone());
        }
        Ok(Outgoing {
            request: Request::from_parts(head, body.print()),
            exchange: Box::new(Guarded::new(exchange, tokens, used)),
        })
    }

    fn authorize(&self, request: Request<Printed>) -> Authorized {
        authorize(self.place.tokens.as_ref(), request, Some(&X_API_KEY))
    }
}

impl<D: fmt::Debug> fmt::Debug for Partner<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partner")
            .field("dialect", &self.dialect)
            .field("api_base", &self.place.api_base)
            .finish_non_exhaustive()
    }
}

// === impl PartnerBuilder ===

impl PartnerBuilder {
    /// Sets the base URL, as [`Builder::api_base`](crate::Builder::api_base) does.
    pub fn api_base(mut self, url: impl Into<String>) -> Self {
        self.place.api_base = Some(url.into());
        self
    }

    /// Sets the project.
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.place.project = Some(project.into());
        self
    }

    /// Sets the location.
    pub fn location(mut self, location: impl Into<String>) -> Self {
        self.place.location = Some(location.into());
        self
    }

    /// Sets the credentials, as [`Builder::credentials`](crate::Builder::credentials) does.
    pub fn credentials(mut self, credentials: impl Into<String>) -> Self {
        self.place.credentials = Some(credentials.into());
        self
    }

    /// Sets the client that fetches tokens. Default: one of its own.
    pub fn client(mut self, client: HttpClient) -> Self {
        self.place.client = client;
        self
    }

    /// Looks defaults up in an environment. Without it there are none.
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        self.place.environment = Box::new(lookup);
        self
    }

    /// Makes the dialect of one that speaks Anthropic's Messages API. Its own URL and key are not used.
    ///
    /// # Errors
    ///
    /// The setting at fault.
    pub fn build<D: Dialect>(self, dialect: D) -> Result<Partner<D>, ConfigError> {
        let found = self.place.find(false)?;
        let address = Address {
            face: Face::VertexAi,
            api_base: &found.api_base,
            project: found.project.as_deref(),
            location: &found.location,
            publisher: "anthropic",
            model: &self.model,
        };
        let endpoint = address.endpoint("rawPredict", "streamRawPredict")?;
        let shown = found.api_base.split(['?', '#']).next().unwrap_or_default();
        Ok(Partner {
            dialect,
            place: Arc::new(Hosted {
                endpoint,
                api_base: shown.into(),
                tokens: found.tokens,
            }),
        })
    }
}

impl fmt::Debug for PartnerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartnerBuilder")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

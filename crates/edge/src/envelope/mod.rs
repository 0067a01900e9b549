//! Reads a JSON request once, and says in extensions what it wants.

mod fields;
mod future;
mod lists;
mod read;
mod stall;
mod targets;
mod values;
mod wishes;

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderName, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_core::{BoxError, Failure, JsonBody};

use self::wishes::Caps;
pub use self::{future::ResponseFuture, targets::target};

/// The largest body that is read unless told otherwise: 50 MiB, room for a few images as data URLs.
pub const DEFAULT_LIMIT: usize = 50 * 1024 * 1024;

/// The most retries a request may ask for unless told otherwise.
pub const DEFAULT_RETRIES_CAP: u32 = 100;

/// The longest time limit a request may ask for unless told otherwise: a day.
pub const DEFAULT_TIMEOUT_CAP: Duration = Duration::from_secs(24 * 60 * 60);

/// Client headers that may matter to an upstream: tracing context, and the switches of the OpenAI and Anthropic APIs.
pub const FORWARDED_HEADERS: [HeaderName; 5] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
];

/// Reads the JSON body of each request. See the [crate page](crate).
#[derive(Clone, Debug)]
pub struct EnvelopeLayer {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    limit: usize,
    body_timeout: Option<Duration>,
    overrides: bool,
    caps: Caps,
    prompt_required: bool,
    headers: Vec<HeaderName>,
    custom_headers: bool,
    mocks: bool,
}

impl EnvelopeLayer {
    /// Reads bodies up to [`DEFAULT_LIMIT`] and takes no wishes from requests.
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: Arc::new(Settings {
                limit: DEFAULT_LIMIT,
                body_timeout: None,
                overrides: false,
                caps: Caps {
                    retries: DEFAULT_RETRIES_CAP,
                    timeout: DEFAULT_TIMEOUT_CAP,
                },
                prompt_required: false,
                headers: FORWARDED_HEADERS.into(),
                custom_headers: false,
                mocks: false,
            }),
        }
    }

    /// Sets the largest body that is read, in bytes.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.edit().limit = bytes;
        self
    }

    /// Sets the longest silence of a client before the end of its body: then the request is refused as timed out. A body whose
    /// pieces come one by one has as long in all, and two seconds more for each KiB that it brings. By default, and with zero,
    /// it is waited for.
    #[must_use]
    pub fn body_timeout(mut self, limit: Duration) -> Self {
        self.edit().body_timeout = (!limit.is_zero()).then_some(limit);
        self
    }

    /// Takes the wishes of requests: `timeout`, `num_retries`, `fallbacks` and their like. Off by default; the members are
    /// cut from the body either way.
    #[must_use]
    pub fn accept_overrides(mut self, accept: bool) -> Self {
        self.edit().overrides = accept;
        self
    }

    /// Sets the most retries that a request may ask for; more is taken for this many.
    #[must_use]
    pub fn retries_cap(mut self, retries: u32) -> Self {
        self.edit().caps.retries = retries;
        self
    }

    /// Sets the longest time limit that a request may ask for; more is taken for this much.
    #[must_use]
    pub fn timeout_cap(mut self, limit: Duration) -> Self {
        self.edit().caps.timeout = limit;
        self
    }

    /// Refuses requests that ask nothing: those without the [`prompt`](ziggurat_core::Operation::prompt) of their
    /// operation, such as `messages`. Off by default.
    #[must_use]
    pub fn require_prompt(mut self, require: bool) -> Self {
        self.edit().prompt_required = require;
        self
    }

    /// Lets these client headers through, besides [`FORWARDED_HEADERS`]. All others are dropped.
    #[must_use]
    pub fn forward_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.edit().headers.extend(names);
        self
    }

    /// Lets all client headers through that begin with `x-`, but for those of SDKs and of the gateway itself
    /// (`x-stainless-`, `x-litellm-`) and for `x-api-key`. Off by default.
    #[must_use]
    pub fn forward_custom_headers(mut self, forward: bool) -> Self {
        self.edit().custom_headers = forward;
        self
    }

    /// Lets requests bring their answer, as `mock_response`, or the failure in its place, as `mock_timeout` or
    /// `mock_testing_fallbacks`: no upstream is asked then. Off by default: the former is cut from the body without effect, the
    /// others are refused.
    #[must_use]
    pub fn accept_mock_response(mut self, accept: bool) -> Self {
        self.edit().mocks = accept;
        self
    }

    fn edit(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

impl Default for EnvelopeLayer {
    fn default() -> Self {
        Self::new()
    }
}

/// Says whether a member of a request body goes upstream.
#[must_use]
pub fn is_forwarded(name: &str) -> bool {
    fields::fate(name.as_bytes()) == fields::Fate::Forward
}

impl<S> Layer<S> for EnvelopeLayer {
    type Service = Envelope<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Envelope {
            inner,
            settings: self.settings.clone(),
        }
    }
}

/// Reads the JSON body of each request. See the [crate page](crate).
#[derive(Clone, Debug)]
pub struct Envelope<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> Envelope<S> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for Envelope<S>
where
    S: Service<Request<JsonBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = Failure;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        // The instance that was made ready goes with the request; a fresh clone stays.
        let fresh = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, fresh);
        ResponseFuture::new(ready, req, self.settings.clone())
    }
}

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{DeploymentId, retry_after};

/// A boxed error, as tower's layers use it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What went wrong, as far as routing is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The request cannot be served as it stands (400, 422 and other 4xx).
    BadRequest,
    /// The request body is larger than allowed (413).
    PayloadTooLarge,
    /// The key is missing or wrong (401).
    Authentication,
    /// The account has to be paid first (402).
    PaymentRequired,
    /// The key may not do this (403).
    PermissionDenied,
    /// The upstream does not know the model or path (404).
    NotFound,
    /// The upstream saw a conflict (409).
    Conflict,
    /// Too many requests or tokens for now (429).
    RateLimited,
    /// The quota of the account is used up (429); waiting does not help.
    QuotaExceeded,
    /// The prompt does not fit the model's context window.
    ContextWindow,
    /// The provider refused the prompt or its answer as harmful.
    ContentPolicy,
    /// No answer in time: ours (408) or the upstream's (408, 504).
    Timeout,
    /// The upstream failed (5xx).
    Server,
    /// No connection could be made: refused, unreachable, name or TLS failure.
    Connect,
    /// The connection broke before the answer was complete.
    Disconnected,
    /// The upstream answered something that is not an answer.
    InvalidResponse,
    /// The region is not one that the request allows.
    Region,
    /// Every deployment that could serve the request is resting after failures.
    CoolingDown,
    /// No deployment is left that would take the request.
    NoCandidate,
    /// No group serves this model name.
    UnknownModel,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// Returns the kind of an HTTP status, or `None` if the status is not a failure (below 400).
    #[must_use]
    pub fn from_status(status: StatusCode) -> Option<Self> {
        Some(match status.as_u16() {
            0..=399 => return None,
            401 => Self::Authentication,
            402 => Self::PaymentRequired,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::PayloadTooLarge,
            429 => Self::RateLimited,
            400..=499 => Self::BadRequest,
            _ => Self::Server,
        })
    }

    /// Returns the HTTP status that fits the kind where no upstream gave one.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::ContextWindow | Self::ContentPolicy | Self::UnknownModel => {
                StatusCode::BAD_REQUEST
            }
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Authentication => StatusCode::UNAUTHORIZED,
            Self::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
            Self::PermissionDenied | Self::Region => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::RateLimited | Self::QuotaExceeded | Self::CoolingDown | Self::NoCandidate => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Connect => StatusCode::SERVICE_UNAVAILABLE,
            Self::Disconnected | Self::InvalidResponse => StatusCode::BAD_GATEWAY,
            Self::Server | Self::Other => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Says whether the refusal came from this process: no upstream was asked, and asking the same group again
    /// gives the same answer.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(
            self,
            Self::Region | Self::CoolingDown | Self::NoCandidate | Self::UnknownModel
        )
    }

    /// Returns a short lower-case name, fit for log fields and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::PayloadTooLarge => "payload_too_large",
            Self::Authentication => "authentication",
            Self::PaymentRequired => "payment_required",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::Timeout => "timeout",
            Self::Server => "server",
            Self::Connect => "connect",
            Self::Disconnected => "disconnected",
            Self::InvalidResponse => "invalid_response",
            Self::Region => "region",
            Self::CoolingDown => "cooling_down",
            Self::NoCandidate => "no_candidate",
            Self::UnknownModel => "unknown_model",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadRequest => "the request cannot be served",
            Self::PayloadTooLarge => "the request body is too large",
            Self::Authentication => "the key was not accepted",
            Self::PaymentRequired => "the provider asks for payment",
            Self::PermissionDenied => "permission denied",
            Self::NotFound => "the upstream does not know the model or path",
            Self::Conflict => "the upstream reported a conflict",
            Self::RateLimited => "rate limited",
            Self::QuotaExceeded => "the quota is used up",
            Self::ContextWindow => "the prompt does not fit the context window",
            Self::ContentPolicy => "refused by a content policy",
            Self::Timeout => "timeout",
            Self::Server => "the upstream failed",
            Self::Connect => "connecting to the upstream failed",
            Self::Disconnected => "the upstream closed the connection early",
            Self::InvalidResponse => "the upstream sent an unreadable answer",
            Self::Region => "the region is not allowed",
            Self::CoolingDown => "the deployments are cooling down",
            Self::NoCandidate => "no deployment available",
            Self::UnknownModel => "unknown model",
            Self::Other => "the call failed",
        })
    }
}

/// A failed call: its kind, and what callers need to act on it.
///
/// Layers return it as their error. A leaf that got an HTTP error from its upstream leaves the response alone and
/// adds the `Failure` to the response's extensions. Cloning counts a reference.
///
/// [`Display`](fmt::Display) and [`Debug`] never show what the upstream wrote, which may quote a prompt or a key.
#[derive(Clone)]
pub struct Failure {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: FailureKind,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    limit: Option<Duration>,
    should_retry: Option<bool>,
    deployment: Option<DeploymentId>,
    message: Option<Box<str>>,
    param: Option<Box<str>>,
    excerpt: Option<Box<str>>,
    upstream: Option<Arc<UpstreamError>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// Creates a failure that carries nothing but its kind.
    #[must_use]
    pub fn new(kind: FailureKind) -> Self {
        Self {
            inner: Arc::new(Inner {
                kind,
                status: None,
                retry_after: None,
                limit: None,
                should_retry: None,
                deployment: None,
                message: None,
                param: None,
                excerpt: None,
                upstream: None,
                source: None,
            }),
        }
    }

    /// Creates the failure of a response head: its status if that is an error's, and the wait that its headers ask for.
    #[must_use]
    pub fn from_head(kind: FailureKind, status: StatusCode, headers: &HeaderMap) -> Self {
        let mut failure = Self::new(kind);
        if status.is_client_error() || status.is_server_error() {
            failure = failure.with_status(status);
        }
        if let Some(wait) = retry_after::from_headers(headers) {
            failure = failure.with_retry_after(wait);
        }
        failure
    }

    /// Makes a failure of any service error.
    ///
    /// One of ours comes back whole, also out of another layer's box or source chain. Any other error becomes the
    /// source of an [`Other`](FailureKind::Other).
    pub fn wrap(error: impl Into<BoxError>) -> Self {
        let error = match error.into().downcast::<Self>() {
            Ok(failure) => return *failure,
            Err(error) => error,
        };
        let mut at: Option<&(dyn StdError + 'static)> = Some(&*error);
        while let Some(cause) = at {
            if let Some(failure) = cause.downcast_ref::<Self>() {
                return failure.clone();
            }
            at = cause.source();
        }
        Self::new(FailureKind::Other).with_source(error)
    }

    /// Sets the kind.
    #[must_use]
    pub fn with_kind(mut self, kind: FailureKind) -> Self {
        self.edit().kind = kind;
        self
    }

    /// Sets the HTTP status to answer with, where it is not the kind's own.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.edit().status = Some(status);
        self
    }

    /// Sets the wait that whoever failed asked for.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.edit().retry_after = Some(wait);
        self
    }

    /// Sets the time limit of our own that ran out.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.edit().limit = Some(limit);
        self
    }

    /// Sets the upstream's own word on whether the same deployment should be asked again.
    #[must_use]
    pub fn with_should_retry(mut self, should_retry: bool) -> Self {
        self.edit().should_retry = Some(should_retry);
        self
    }

    /// Names the deployment that failed.
    #[must_use]
    pub fn with_deployment(mut self, deployment: DeploymentId) -> Self {
        self.edit().deployment = Some(deployment);
        self
    }

    /// Sets our own words for the caller. They must not quote the request beyond names of models and fields.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Box<str>>) -> Self {
        self.edit().message = Some(message.into());
        self
    }

    /// Names the request field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<Box<str>>) -> Self {
        self.edit().param = Some(param.into());
        self
    }

    /// Quotes the text of the request at fault: shown to whoever sent it, never in logs.
    #[must_use]
    pub fn with_excerpt(mut self, excerpt: impl Into<Box<str>>) -> Self {
        self.edit().excerpt = Some(excerpt.into());
        self
    }

    /// Adds what the upstream wrote.
    #[must_use]
    pub fn with_upstream(mut self, upstream: UpstreamError) -> Self {
        self.edit().upstream = Some(Arc::new(upstream));
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.edit().source = Some(Arc::from(source.into()));
        self
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.inner.kind
    }

    /// Returns the HTTP status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner
            .status
            .unwrap_or_else(|| self.inner.kind.status())
    }

    /// Returns the wait that whoever failed asked for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// Returns the time limit of our own that ran out.
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        self.inner.limit
    }

    /// Returns the upstream's own word on whether the same deployment should be asked again.
    #[must_use]
    pub fn should_retry(&self) -> Option<bool> {
        self.inner.should_retry
    }

    /// Returns the deployment that failed.
    #[must_use]
    pub fn deployment(&self) -> Option<&DeploymentId> {
        self.inner.deployment.as_ref()
    }

    /// Returns our own words for the caller.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.inner.message.as_deref()
    }

    /// Returns the request field at fault: the one set here, else the upstream's.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        self.inner
            .param
            .as_deref()
            .or_else(|| self.upstream().and_then(UpstreamError::param))
    }

    /// Returns the text of the request at fault, for whoever sent it.
    #[must_use]
    pub fn excerpt(&self) -> Option<&str> {
        self.inner.excerpt.as_deref()
    }

    /// Returns what the upstream wrote.
    #[must_use]
    pub fn upstream(&self) -> Option<&UpstreamError> {
        self.inner.upstream.as_deref()
    }

    fn edit(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.inner)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => f.write_str(message),
            None => fmt::Display::fmt(&self.inner.kind, f),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.inner.kind)
            .field("status", &self.status())
            .field("retry_after", &self.inner.retry_after)
            .field("deployment", &self.inner.deployment)
            .field("message", &self.inner.message)
            .field("param", &self.inner.param)
            .field("upstream", &self.inner.upstream)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

impl From<FailureKind> for Failure {
    fn from(kind: FailureKind) -> Self {
        Self::new(kind)
    }
}

/// What an upstream wrote about a failure, for the caller who asked; never for logs.
#[derive(Clone)]
pub struct UpstreamError {
    provider: &'static str,
    message: Box<str>,
    kind: Option<Box<str>>,
    param: Option<Box<str>>,
    code: Option<Box<str>>,
    fields: Option<Bytes>,
}

impl UpstreamError {
    /// Creates one of the provider's display name (`OpenAI`, `Azure`) and its message.
    pub fn new(provider: &'static str, message: impl Into<Box<str>>) -> Self {
        Self {
            provider,
            message: message.into(),
            kind: None,
            param: None,
            code: None,
            fields: None,
        }
    }

    /// Sets the provider's `type`.
    #[must_use]
    pub fn with_type(mut self, kind: impl Into<Box<str>>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Sets the provider's `param`.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<Box<str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Sets the provider's `code`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Box<str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets further details: a JSON object, shown to the caller as `provider_specific_fields`.
    #[must_use]
    pub fn with_fields(mut self, fields: Bytes) -> Self {
        self.fields = Some(fields);
        self
    }

    /// Returns the provider's display name.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// Returns the provider's message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the provider's `type`.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns the provider's `param`.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    /// Returns the provider's `code`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns further details: a JSON object.
    #[must_use]
    pub fn fields(&self) -> Option<&Bytes> {
        self.fields.as_ref()
    }
}

impl fmt::Debug for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamError")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

mod kind;
mod upstream;

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode};

use crate::{DeploymentId, retry_after};

/// A boxed error, as tower's layers use it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

pub use self::{
    kind::{FailureKind, FailureKinds},
    upstream::UpstreamError,
};

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
    unsent: bool,
    blameless: bool,
    sent_twice: bool,
    broken_off: bool,
    unread_body: bool,
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
                unsent: false,
                blameless: false,
                sent_twice: false,
                broken_off: false,
                unread_body: false,
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

    /// Notes that the call was refused before anyone was asked; see [`is_unsent`](Self::is_unsent).
    #[must_use]
    pub fn with_unsent(mut self) -> Self {
        self.edit().unsent = true;
        self
    }

    /// Notes that the deployment is not at fault; see [`is_blameless`](Self::is_blameless).
    #[must_use]
    pub fn with_blameless(mut self) -> Self {
        self.edit().blameless = true;
        self
    }

    /// Notes that the call was sent twice; see [`is_sent_twice`](Self::is_sent_twice).
    #[must_use]
    pub fn with_sent_twice(mut self) -> Self {
        self.edit().sent_twice = true;
        self
    }

    /// Notes that the request broke off; see [`is_broken_off`](Self::is_broken_off).
    #[must_use]
    pub fn with_broken_off(mut self) -> Self {
        self.edit().broken_off = true;
        self
    }

    /// Notes that the body of the request was not read to its end; see [`is_body_unread`](Self::is_body_unread).
    #[must_use]
    pub fn with_unread_body(mut self) -> Self {
        self.edit().unread_body = true;
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

    /// Says whether the call was refused in this process before any upstream was asked: that is no attempt.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.inner.unsent || self.inner.kind.is_local()
    }

    /// Says whether the deployment is not at fault: the time went to whoever read the answer.
    #[must_use]
    pub fn is_blameless(&self) -> bool {
        self.inner.blameless
    }

    /// Says whether the call was sent a second time because its connection seemed to have been gone, and that one failed in
    /// the same way: then the upstream may have had both, and both count as calls.
    #[must_use]
    pub fn is_sent_twice(&self) -> bool {
        self.inner.sent_twice
    }

    /// Says whether the request broke off before it was whole, as when its client leaves: it was cancelled rather than
    /// refused.
    #[must_use]
    pub fn is_broken_off(&self) -> bool {
        self.inner.broken_off
    }

    /// Says whether the body of the request was not read to its end: its response should have an
    /// [`UnreadBody`](crate::UnreadBody).
    #[must_use]
    pub fn is_body_unread(&self) -> bool {
        self.inner.unread_body
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

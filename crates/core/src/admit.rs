use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;
use tower_service::Service;

use crate::{Failure, FailureKind};

/// Would this service take this request now?
///
/// The answer is cheap and pure, and reserves nothing: it is advice for whoever chooses among several services.
/// `Service::call` decides.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say whether it would take a request",
    label = "does not implement `Admit`",
    note = "wrap the service in `ziggurat_core::Open`, and put layers of other crates below it"
)]
pub trait Admit<Req> {
    /// Says whether the service would take `req`.
    ///
    /// # Errors
    ///
    /// The reason why it would not.
    fn admit(&self, req: &Req) -> Result<(), Rejection>;
}

impl<Req, S: Admit<Req> + ?Sized> Admit<Req> for &S {
    fn admit(&self, req: &Req) -> Result<(), Rejection> {
        (**self).admit(req)
    }
}

impl<Req, S: Admit<Req> + ?Sized> Admit<Req> for Box<S> {
    fn admit(&self, req: &Req) -> Result<(), Rejection> {
        (**self).admit(req)
    }
}

impl<Req, S: Admit<Req> + ?Sized> Admit<Req> for Arc<S> {
    fn admit(&self, req: &Req) -> Result<(), Rejection> {
        (**self).admit(req)
    }
}

/// Why a service would not take a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    kind: FailureKind,
    retry_after: Option<Duration>,
    message: Option<Box<str>>,
    status: Option<StatusCode>,
    last_resort: Option<Instant>,
    yields: bool,
}

impl Rejection {
    /// Refuses for a reason that waiting does not change.
    #[must_use]
    pub const fn new(kind: FailureKind) -> Self {
        Self {
            kind,
            retry_after: None,
            message: None,
            status: None,
            last_resort: None,
            yields: false,
        }
    }

    /// Adds the time after which asking again may help.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds words for the caller. They must not quote the request beyond names of models and fields.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Box<str>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds the status of the upstream's answer that led to it.
    #[must_use]
    pub fn with_last_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Says that a call marked as [`LastResort`](crate::LastResort) is let through all the same, and when the service
    /// failed last: the one that failed longest ago is asked.
    #[must_use]
    pub fn with_last_resort(mut self, failed: Instant) -> Self {
        self.last_resort = Some(failed);
        self
    }

    /// Says that the service only yields to others: it takes the request if no one else does.
    #[must_use]
    pub fn with_yielding(mut self) -> Self {
        self.yields = true;
        self
    }

    /// Says whether the service takes the request if no one else does.
    #[must_use]
    pub const fn yields(&self) -> bool {
        self.yields
    }

    /// Returns the words for the caller.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the status of the upstream's answer that led to it.
    #[must_use]
    pub const fn last_status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Returns when the service failed last, if it may be asked as a last resort.
    #[must_use]
    pub const fn last_resort(&self) -> Option<Instant> {
        self.last_resort
    }

    /// Returns the kind of the failure that calling anyway would give.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Returns the time after which asking again may help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        let mut failure = Self::new(rejection.kind).with_unsent();
        if let Some(wait) = rejection.retry_after {
            failure = failure.with_retry_after(wait);
        }
        if let Some(message) = rejection.message {
            failure = failure.with_message(message);
        }
        failure
    }
}

/// Admits every request: the end of each chain of [`Admit`].
///
/// Layers of other crates stand below it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open<S> {
    inner: S,
}

impl<S> Open<S> {
    /// Wraps a service.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    /// Returns the wrapped service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the wrapped service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<Req, S> Admit<Req> for Open<S> {
    fn admit(&self, _: &Req) -> Result<(), Rejection> {
        Ok(())
    }
}

impl<Req, S: Service<Req>> Service<Req> for Open<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        self.inner.call(req)
    }
}

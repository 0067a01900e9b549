use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower_service::Service;

use crate::{Failure, FailureKind};

/// Would this service take this request now?
///
/// The answer is cheap and pure, and reserves nothing: it is advice for whoever chooses among several services.
/// `Service::call` decides.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say whether it would take a request",
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
}

impl Rejection {
    /// Refuses for a reason that waiting does not change.
    #[must_use]
    pub const fn new(kind: FailureKind) -> Self {
        Self {
            kind,
            retry_after: None,
        }
    }

    /// Adds the time after which asking again may help.
    #[must_use]
    pub const fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
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
        let failure = Self::new(rejection.kind);
        match rejection.retry_after {
            Some(wait) => failure.with_retry_after(wait),
            None => failure,
        }
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

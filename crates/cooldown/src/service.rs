use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, ByStatus, Classify, DeploymentId, Failure, Rejection};

use crate::{ResponseBody, TARGET, future::ResponseFuture, settings::Settings, watch::Watch};

/// Gives a service that fails a rest: see the [crate page](crate).
#[derive(Debug)]
pub struct Cooldown<S, C = ByStatus> {
    inner: S,
    settings: Arc<Settings<C>>,
}

// === impl Cooldown ===

impl<S, C> Cooldown<S, C> {
    pub(crate) const fn new(inner: S, settings: Arc<Settings<C>>) -> Self {
        Self { inner, settings }
    }

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

impl<S: Clone, C> Clone for Cooldown<S, C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            settings: Arc::clone(&self.settings),
        }
    }
}

impl<S, C, B, R> Service<Request<B>> for Cooldown<S, C>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
    C: Classify,
{
    type Response = Response<ResponseBody<R, C>>;
    type Error = Failure;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let extensions = request.extensions();
        match self.settings.gate.enter(extensions) {
            Ok(trial) => {
                let watch = Watch::new(Arc::clone(&self.settings), trial, extensions);
                ResponseFuture::new(self.inner.call(request), watch)
            }
            Err(refusal) => {
                // A fresh clone takes the place of the ready instance: what that has reserved is free for others.
                let fresh = self.inner.clone();
                drop(mem::replace(&mut self.inner, fresh));
                let deployment = extensions.get::<DeploymentId>().cloned();
                let failure = refusal.into_failure(deployment);
                tracing::debug!(
                    target: TARGET,
                    deployment = failure.deployment().map(DeploymentId::as_str),
                    "call refused"
                );
                ResponseFuture::refused(failure)
            }
        }
    }
}

impl<S, C, B> Admit<Request<B>> for Cooldown<S, C>
where
    S: Admit<Request<B>>,
{
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        match self.settings.gate.check(request.extensions()) {
            // Whoever finds no one else asks it all the same, so it has to be able to.
            Err(refusal) if refusal.yields() => self.inner.admit(request).and(Err(refusal.into())),
            Err(refusal) => Err(refusal.into()),
            Ok(()) => self.inner.admit(request),
        }
    }
}

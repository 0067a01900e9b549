use std::task::{Context, Poll};

use http::{Extensions, Request};
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, DeploymentId, Failure, FailureKind, Rejection};

use crate::{DoesNotFit, Window, future::ResponseFuture};

/// Refuses prompts that do not fit: see the [crate page](crate).
#[derive(Clone, Debug)]
pub struct ContextWindowFilter<S> {
    inner: S,
    window: Window,
}

// === impl ContextWindowFilter ===

impl<S> ContextWindowFilter<S> {
    pub(crate) const fn new(inner: S, window: Window) -> Self {
        Self { inner, window }
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

    fn check(&self, extensions: &Extensions) -> Result<(), (Rejection, DoesNotFit)> {
        self.window.check(extensions).map_err(|reason| {
            let (needed, window, model) = (reason.needed(), reason.window(), self.window.model());
            tracing::debug!(
                target: "ziggurat::context_window",
                deployment = extensions.get::<DeploymentId>().map(DeploymentId::as_str),
                model,
                needed,
                window,
                "the prompt does not fit"
            );
            let more = if reason.is_whole() { "" } else { " or more" };
            let message = format!("Model={model}, Max Input Tokens={window}, Got={needed}{more}");
            let rejection = Rejection::new(FailureKind::ContextWindow).with_message(message);
            (rejection, reason)
        })
    }
}

impl<S, B> Service<Request<B>> for ContextWindowFilter<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = Failure;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.check(request.extensions()) {
            Ok(()) => ResponseFuture::call(self.inner.call(request)),
            Err((rejection, reason)) => {
                let message = rejection.message().unwrap_or_default();
                let message = format!("the prompt exceeds the context window: {message}");
                let failure = Failure::from(rejection)
                    .with_message(message)
                    .with_source(reason);
                ResponseFuture::refused(match request.extensions().get::<DeploymentId>() {
                    Some(deployment) => failure.with_deployment(deployment.clone()),
                    None => failure,
                })
            }
        }
    }
}

impl<B, S: Admit<Request<B>>> Admit<Request<B>> for ContextWindowFilter<S> {
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        let own = self.check(request.extensions());
        own.map_err(|(rejection, _)| rejection)?;
        self.inner.admit(request)
    }
}

//! What stands around every path: ids, tracing, panics, size.

mod body;
mod head;
mod id;

use std::{
    any::Any,
    convert::Infallible,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, Version,
    header::{CONNECTION, CONTENT_TYPE},
};
use http_body::Body;
use http_body_util::{Either, Full, Limited};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;
use tracing::{Level, Span};
use ziggurat::{
    core::{Failure, FailureKind, UnreadBody},
    edge::{ErrorForm, ErrorTypes},
};

pub use self::body::OuterBody;
use crate::{Metrics, key::KEY_HEADERS, pages::refusal, request_log::named};

/// The header that carries the id of a call: taken from the client, or made here.
pub const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");

/// Stands around a service, and does what tower-http's layers for sensitive headers, request ids, tracing, panics and the
/// size of bodies do, as one: each call goes through, and as seven layers they take twice the instructions.
///
/// Headers that may hold keys are marked as sensitive. Each call has an id, the client's or a new one, in [`CALL_ID`] of
/// its request and of its response. At the level debug it runs in a span. Bodies over `limit` bytes are answered with 413,
/// requests of HTTP/1 that do not name one host, as they must, with 400, a panic with 500, all in the form of the API that was
/// called and as `error_types` says. An answer with an [`UnreadBody`] says that its connection ends.
#[derive(Clone, Debug)]
pub struct Outer<S> {
    inner: S,
    limit: usize,
    error_types: ErrorTypes,
    metrics: Option<Arc<Metrics>>,
}

/// Puts [`Outer`] around a service.
pub const fn outer<S>(inner: S, limit: usize, error_types: ErrorTypes) -> Outer<S> {
    Outer {
        inner,
        limit,
        error_types,
        metrics: None,
    }
}

// === impl Outer ===

impl<S> Outer<S> {
    /// Counts the bodies that are refused by what they say of their length. Those of others count where they are read.
    #[must_use]
    pub fn metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }
}

impl<S, B, R> Service<Request<B>> for Outer<S>
where
    S: Service<Request<Limited<B>>, Response = Response<R>, Error = Infallible>,
    B: Body,
    R: Body<Data = Bytes>,
{
    type Response = Response<OuterBody<R>>;
    type Error = Infallible;
    type Future = OuterFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        for (name, value) in req.headers_mut() {
            if KEY_HEADERS.contains(name) {
                value.set_sensitive(true);
            }
        }
        let id = req.headers_mut().entry(CALL_ID);
        let id = id.or_insert_with(id::random).clone();
        let around = Around {
            span: span(&req, &id),
            started: is_traced().then(Instant::now),
            id: Some(id),
            form: ErrorForm::of(&req, self.error_types),
            version: req.version(),
        };
        let state = match head::refused(&req, self.limit) {
            Some(failure) => {
                let (status, metrics) = (failure.status(), self.metrics.as_deref());
                refusal::tell(&req, status, failure.kind(), metrics);
                State::Refused { failure }
            }
            None => {
                let req = req.map(|body| Limited::new(body, self.limit));
                let call = AssertUnwindSafe(|| self.inner.call(req));
                match around.span.in_scope(|| catch_unwind(call)) {
                    Ok(future) => State::Called { future },
                    Err(panic) => State::Panicked { panic },
                }
            }
        };
        OuterFuture { state, around }
    }
}

pin_project! {
    /// The future of [`Outer`].
    pub struct OuterFuture<F> {
        #[pin]
        state: State<F>,
        around: Around,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] future: F },
        Refused { failure: Failure },
        Panicked { panic: Box<dyn Any + Send> },
    }
}

/// What is kept of a request until it is answered.
struct Around {
    span: Span,
    /// `None` if nobody is told how long it took.
    started: Option<Instant>,
    // `None` once it is answered.
    id: Option<HeaderValue>,
    form: ErrorForm,
    version: Version,
}

impl<F, R> Future for OuterFuture<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<OuterBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let around = this.around;
        let entered = around.span.enter();
        let response = match this.state.project() {
            StateProj::Called { future } => {
                match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                    Ok(polled) => {
                        let Ok(response) = ready!(polled);
                        response.map(Either::Left)
                    }
                    Err(_) => around.panicked(),
                }
            }
            StateProj::Refused { failure } => around.error(failure),
            StateProj::Panicked { .. } => around.panicked(),
        };
        drop(entered);
        Poll::Ready(Ok(around.answer(response)))
    }
}

impl<F> fmt::Debug for OuterFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OuterFuture").finish_non_exhaustive()
    }
}

// === impl Around ===

impl Around {
    /// Adds what every answer has.
    fn answer<R>(
        &mut self,
        mut response: Response<Either<R, Full<Bytes>>>,
    ) -> Response<OuterBody<R>>
    where
        R: Body<Data = Bytes>,
    {
        if response.extensions().get::<UnreadBody>().is_some() {
            close(&mut response, self.version);
        }
        if let Some(id) = self.id.take() {
            response.headers_mut().entry(CALL_ID).or_insert(id);
        }
        let span = std::mem::replace(&mut self.span, Span::none());
        if let Some(started) = self.started {
            let _entered = span.enter();
            answered(&response, started.elapsed());
        }
        response.map(|body| OuterBody::new(body, span))
    }

    fn panicked<R>(&self) -> Response<Either<R, Full<Bytes>>> {
        // What a panic says may quote a request; where it happened is in the panic hook's own line.
        tracing::error!(target: "ziggurat::server", "a request panicked");
        self.error(&Failure::new(FailureKind::Other).with_message("internal error"))
    }

    fn error<R>(&self, failure: &Failure) -> Response<Either<R, Full<Bytes>>> {
        let mut response = Response::new(Either::Right(Full::new(self.form.json(failure))));
        *response.status_mut() = self.form.status(failure);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        if failure.is_body_unread() {
            response.extensions_mut().insert(UnreadBody);
        }
        response
    }
}

fn is_traced() -> bool {
    tracing::enabled!(target: "ziggurat::server", Level::DEBUG)
}

fn span<B>(req: &Request<B>, id: &HeaderValue) -> Span {
    // The path only: a query may hold a key.
    tracing::debug_span!(
        "ziggurat.request",
        http.request.method = %req.method(),
        url.path = req.uri().path(),
        call_id = named(id),
    )
}

fn answered<R>(response: &Response<R>, latency: Duration) {
    tracing::debug!(
        target: "ziggurat::server",
        latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        http.response.status_code = response.status().as_u16(),
        "answered"
    );
}

/// Marks the answer to a request whose body is not read to its end. The next request would be lost on its connection.
pub(crate) fn leave_body<R>(response: &mut Response<R>, version: Version) {
    response.extensions_mut().insert(UnreadBody);
    close(response, version);
}

/// Tells a client that its connection ends with this answer.
pub(crate) fn close<R>(response: &mut Response<R>, version: Version) {
    // The streams of HTTP/2 end one by one.
    if version <= Version::HTTP_11 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

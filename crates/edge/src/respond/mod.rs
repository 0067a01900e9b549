//! Turns failures into responses, and says in headers how a response came to be.

mod anthropic;
mod body;
mod errors;
mod events;
mod form;
mod headers;
mod ping;

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_core::{BoxError, Failure, KeepAlive, LateAnswer, Tried, UnreadBody};

use crate::{IncludeFallbackErrors, Ledger};

pub(crate) use self::form::CALL_ID;
pub use self::{body::ResponseBody, errors::ErrorTypes, form::ErrorForm};
use self::{
    events::{Detours, Events},
    ping::Pings,
};

/// Writes failures as responses. See the [crate page](crate).
#[derive(Clone, Copy, Debug, Default)]
pub struct RespondLayer {
    types: ErrorTypes,
    fallback_errors: bool,
    keep_alive: Option<Duration>,
}

impl RespondLayer {
    /// Names errors as the LiteLLM proxy does.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how errors name themselves.
    #[must_use]
    pub fn error_types(mut self, types: ErrorTypes) -> Self {
        self.types = types;
        self
    }

    /// Lets requests ask, by `include_fallback_errors`, for the errors that a fallback went around: they come in the header
    /// `x-litellm-fallback-errors`, as a JSON array, and as a first chunk of an event stream in OpenAI's chat format. Off by default, for they tell callers of other groups.
    #[must_use]
    pub fn expose_fallback_errors(mut self, expose: bool) -> Self {
        self.fallback_errors = expose;
        self
    }

    /// Writes a comment, `: ping`, or Anthropic's event `ping` to its clients, into an event stream whenever nothing was sent
    /// for so long, unless the response has an interval of its own: a [`KeepAlive`] in its extensions. Off by default; zero is off.
    ///
    /// Pings begin with the head. That it need not wait for an answer is up to [`EarlyHead`](crate::EarlyHead).
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.keep_alive = (!every.is_zero()).then_some(every);
        self
    }

    /// Writes a failure as the response that this layer would give to a client of OpenAI's API.
    #[must_use]
    pub fn response<B>(&self, failure: &Failure) -> Response<ResponseBody<B>> {
        written(failure, &self.types.into(), false)
    }
}

impl<S> Layer<S> for RespondLayer {
    type Service = Respond<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Respond {
            inner,
            layer: *self,
            lost: None,
        }
    }
}

/// Writes failures as responses. See the [crate page](crate).
#[derive(Debug)]
pub struct Respond<S> {
    inner: S,
    layer: RespondLayer,
    /// A failed `poll_ready`, kept for the next call, which is the first chance to answer.
    lost: Option<Failure>,
}

impl<S: Clone> Clone for Respond<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer,
            lost: None,
        }
    }
}

impl<S> Respond<S> {
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

impl<S, B, R> Service<Request<B>> for Respond<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.lost.is_none() {
            self.lost = ready!(self.inner.poll_ready(cx))
                .map_err(Failure::wrap)
                .err();
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let tried = req
            .extensions_mut()
            .get_or_insert_default::<Tried>()
            .clone();
        let form = ErrorForm::of(&req, self.layer.types);
        let state = match self.lost.take() {
            Some(failure) => State::Lost { failure },
            None => State::Called {
                future: self.inner.call(req),
            },
        };
        ResponseFuture {
            state,
            tried,
            layer: self.layer,
            form,
            started: Instant::now(),
        }
    }
}

pin_project! {
    /// The future of [`Respond`].
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        tried: Tried,
        layer: RespondLayer,
        form: ErrorForm,
        started: Instant,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Called { #[pin] future: F },
        Lost { failure: Failure },
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("respond::ResponseFuture")
            .finish_non_exhaustive()
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.state.project() {
            StateProj::Called { future } => ready!(future.poll(cx)).map_err(Failure::wrap),
            StateProj::Lost { failure } => Err(failure.clone()),
        };
        Poll::Ready(Ok(this.layer.answer(
            result,
            this.tried,
            this.form,
            *this.started,
        )))
    }
}

impl RespondLayer {
    fn answer<R>(
        self,
        result: Result<Response<R>, Failure>,
        tried: &Tried,
        form: &ErrorForm,
        started: Instant,
    ) -> Response<ResponseBody<R>> {
        let ledger = result.as_ref().ok();
        let ledger = ledger.and_then(|response| response.extensions().get::<Ledger>());
        let ledger = ledger.map(|Ledger(tried)| tried.clone());
        let tried = ledger.as_ref().unwrap_or(tried);
        let failure = match &result {
            Ok(response) => response.extensions().get::<Failure>().cloned(),
            Err(failure) => Some(failure.clone()),
        };
        let mut response = match result {
            Ok(response) => match &failure {
                None => self.succeeded(response, tried, form),
                // What the upstream said of itself in headers is kept; its body gives way to ours.
                Some(failure) => {
                    let (mut head, _) = response.into_parts();
                    head.status = form.status(failure);
                    headers::unframe(&mut head.headers);
                    headers::failed(&mut head.headers, failure, tried.are_retries_spent());
                    Response::from_parts(head, ResponseBody::written(form.json(failure)))
                }
            },
            Err(failure) => written(&failure, form, tried.are_retries_spent()),
        };
        if let Some(failure) = &failure {
            tracing::debug!(
                target: "ziggurat::respond",
                status = failure.status().as_u16(),
                "error.type" = failure.kind().as_str(),
                attempts = tried.sent(),
                "the request failed"
            );
        }
        // The rest of a head that went out early would tell of attempts that are no answer.
        if response.extensions().get::<LateAnswer>().is_none() {
            headers::describe(&mut response, tried, failure.as_ref());
        }
        if failure.is_none() {
            headers::time(response.headers_mut(), tried, started);
            let limits = response.extensions().get().copied();
            if let Some(limits) = limits {
                headers::limits(response.headers_mut(), limits);
            }
        }
        form.identify(response.headers_mut());
        response
    }
}

impl RespondLayer {
    /// Adds to an answer what its client should know.
    fn succeeded<R>(
        self,
        response: Response<R>,
        tried: &Tried,
        form: &ErrorForm,
    ) -> Response<ResponseBody<R>> {
        let extensions = response.extensions();
        let asked = self.fallback_errors && extensions.get::<IncludeFallbackErrors>().is_some();
        let late = extensions.get::<LateAnswer>().cloned();
        if !is_event_stream(&response) {
            let mut response = response.map(ResponseBody::inner);
            if asked {
                headers::fallback_errors(response.headers_mut(), &tried.failures(), form.types());
            }
            return response;
        }
        let own = extensions.get::<KeepAlive>();
        let every = own.map(|KeepAlive(every)| *every).or(self.keep_alive);
        let mut events = Events::new(form.clone());
        events.pings = every.filter(|every| !every.is_zero()).map(match &late {
            Some(_) => Pings::at_once,
            None => Pings::new,
        });
        events.detours = asked.then(|| Detours {
            tried: tried.clone(),
            late: late.clone(),
        });
        let mut response = response.map(|body| ResponseBody::events(body, events));
        let headers = response.headers_mut();
        headers::stream(headers);
        if asked && late.is_none() {
            headers::fallback_errors(headers, &tried.failures(), form.types());
        }
        response
    }
}

fn written<B>(failure: &Failure, form: &ErrorForm, spent: bool) -> Response<ResponseBody<B>> {
    let mut response = Response::new(ResponseBody::written(form.json(failure)));
    *response.status_mut() = form.status(failure);
    headers::failed(response.headers_mut(), failure, spent);
    if failure.is_body_unread() {
        response.extensions_mut().insert(UnreadBody);
    }
    response
}

/// Says whether a response is one by its content type.
pub(crate) fn is_event_stream<B>(response: &Response<B>) -> bool {
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .map(http::HeaderValue::as_bytes);
    let expected = b"text/event-stream";
    content_type
        .and_then(|value| value.get(..expected.len()))
        .is_some_and(|value| value.eq_ignore_ascii_case(expected))
}

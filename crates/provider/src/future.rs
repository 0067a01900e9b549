//! The future of a call.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE, response::Parts,
    uri::Authority,
};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use tracing::Span;
use ziggurat_core::{Failure, FailureKind, json::Printed};

use crate::{
    Answer, Authorized, Exchange, Excused, LocalAnswer, ProviderBody,
    collect::{Collect, Incomplete},
    decode::Upstream,
    headers,
    reuse::Sending,
    service::Deployment,
    transport,
    upload::Upload,
    whole,
};

/// Most of an error answer that is read; nobody needs more to know what is wrong.
const MAX_ERROR: usize = 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SSE: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// How long the text of an error is waited for: its status says most, and a caller may have other deployments to ask.
const ERROR_PATIENCE: Duration = Duration::from_secs(5);

const POLLED: &str = "it is the state that was just polled";

/// The future of a call of a [`ProviderService`](crate::ProviderService). Dropping it gives the call up and closes its
/// connection.
pub struct ResponseFuture {
    state: State,
    /// The client wants a stream, also where the answer comes whole.
    stream: Option<whole::Asked>,
    deployment: Arc<Deployment>,
    span: Span,
}

enum State {
    Refused(Failure),
    /// Nobody has to be asked.
    Local(LocalAnswer),
    /// It was answered without an upstream.
    Made(Box<Response<ProviderBody>>),
    /// The credentials are not at hand.
    Authorizing {
        request: Pin<Box<dyn Future<Output = Result<Request<Printed>, Failure>> + Send>>,
        exchange: Box<dyn Exchange>,
        host: Option<Authority>,
    },
    Sending {
        response: Sending,
        exchange: Box<dyn Exchange>,
        host: Option<Authority>,
    },
    Collecting(Box<Collecting>),
    Done,
}

/// An answer that is being read whole.
struct Collecting {
    head: Parts,
    body: Collect,
    exchange: Box<dyn Exchange>,
    /// Ends the reading of an error; set once there is something to wait for.
    patience: Option<Pin<Box<Sleep>>>,
}

// === impl Collecting ===

impl Collecting {
    /// Reads on, not for ever if it is an error.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Incomplete>> {
        if let Poll::Ready(read) = self.body.poll(cx) {
            return Poll::Ready(read);
        }
        if self.head.status.is_success() {
            return Poll::Pending;
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep(ERROR_PATIENCE)));
        patience
            .as_mut()
            .poll(cx)
            .map(|()| Err(Incomplete::Stalled))
    }
}

// === impl ResponseFuture ===

impl ResponseFuture {
    pub(crate) fn new(
        deployment: Arc<Deployment>,
        authorized: Authorized,
        exchange: Box<dyn Exchange>,
        stream: Option<whole::Asked>,
        host: Option<Authority>,
        span: Span,
    ) -> Self {
        let state = match authorized {
            Authorized::Now(request) => State::Sending {
                response: span.in_scope(|| deployment.client.request(request)),
                exchange,
                host,
            },
            Authorized::Later(request) => State::Authorizing {
                request,
                exchange,
                host,
            },
        };
        Self {
            state,
            stream,
            deployment,
            span,
        }
    }

    fn take(&mut self) -> State {
        mem::replace(&mut self.state, State::Done)
    }

    pub(crate) fn local(deployment: Arc<Deployment>, answer: LocalAnswer) -> Self {
        Self {
            state: State::Local(answer),
            stream: None,
            deployment,
            span: Span::none(),
        }
    }

    pub(crate) fn refused(deployment: Arc<Deployment>, failure: Failure, span: Span) -> Self {
        Self {
            state: State::Refused(failure),
            stream: None,
            deployment,
            span,
        }
    }

    /// Answers without an upstream.
    pub(crate) fn made(deployment: Arc<Deployment>, made: Result<Excused, Failure>) -> Self {
        let span = Span::none();
        let mut future = Self::refused(deployment, FailureKind::Other.into(), span);
        future.state = match made {
            Ok(made) => State::Made(Box::new(future.of_made(http::HeaderMap::new(), made))),
            Err(failure) => State::Refused(future.attribute(failure)),
        };
        future
    }

    /// Goes on from the head of the answer: a response, or the state in which its body is read.
    fn head(
        &self,
        (response, upload): (Response<Incoming>, Option<Box<Upload>>),
        exchange: Box<dyn Exchange>,
    ) -> Result<Response<ProviderBody>, Box<Collecting>> {
        self.span
            .record("http.response.status_code", response.status().as_u16());
        let (head, body) = match Upstream::of(response, upload) {
            Ok(parts) => parts,
            Err((head, failure)) => return Ok(self.no_answer(head, failure, &*exchange)),
        };
        let max_answer = self.deployment.max_answer;
        let body = match head.status.is_success() {
            true => match exchange.announced(&head) {
                Ok(Answer::Plain) => Collect::new(body, max_answer),
                Ok(Answer::Undeclared) => Collect::new(body, max_answer).unless_stream(),
                Ok(Answer::Stream) => return Ok(self.stream(head, None, body, exchange)),
                Err(failure) => return Ok(self.no_answer(head, failure, &*exchange)),
            },
            false => Collect::new(body, MAX_ERROR),
        };
        Err(Box::new(Collecting {
            head,
            body,
            exchange,
            patience: None,
        }))
    }

    /// Makes the response of an answer whose body was read, as far as it could be.
    fn body(
        &self,
        collecting: Collecting,
        read: Result<(), Incomplete>,
    ) -> Result<Response<ProviderBody>, Failure> {
        let Collecting {
            head,
            mut body,
            mut exchange,
            ..
        } = collecting;
        if head.status.is_redirection() {
            let failure = Failure::new(FailureKind::InvalidResponse)
                .with_message("the upstream redirects to another address");
            return Ok(self.no_answer(head, failure, &*exchange));
        }
        if !head.status.is_success() {
            // What was read of an error tells enough, even if the rest did not come.
            let mut text = body.take();
            if let Some(excused) = exchange.excused(&head, &text) {
                return Ok(self.excused(head, excused, &*exchange));
            }
            let mut failure = exchange.refused(&head, &mut text);
            if matches!(read, Err(Incomplete::Stalled)) && failure.kind() == FailureKind::Server {
                // It is silent, and so not asked again as one that fails at once is.
                failure = failure
                    .with_kind(FailureKind::Timeout)
                    .with_status(head.status);
            }
            return Ok(self.failed(head, text, failure, &*exchange));
        }
        match read {
            Ok(()) => Ok(match self.answer(&mut *exchange, body.take()) {
                Ok(answer) => self.plain(head, answer, &*exchange),
                Err(failure) => self.no_answer(head, failure, &*exchange),
            }),
            Err(Incomplete::Stream) => {
                let (first, body) = body.into_parts();
                Ok(self.stream(head, Some(first), body, exchange))
            }
            Err(Incomplete::TooLarge) => {
                let failure = Failure::new(FailureKind::InvalidResponse)
                    .with_message("the upstream's answer is larger than allowed");
                Ok(self.no_answer(head, failure, &*exchange))
            }
            Err(Incomplete::Broken(error)) => Err(self.attribute(transport::broken(error))),
            Err(Incomplete::Stalled) => Err(self.attribute(FailureKind::Timeout.into())),
        }
    }

    /// Makes the client's answer of one that came whole, in the form that was asked for.
    fn answer(&self, exchange: &mut dyn Exchange, body: Bytes) -> Result<Excused, Failure> {
        let answer = exchange.plain(body)?;
        Ok(match self.stream {
            Some(asked) => Excused::Stream(asked.events(answer)?),
            None => Excused::Plain(answer),
        })
    }

    fn plain(
        &self,
        head: Parts,
        answer: Excused,
        exchange: &dyn Exchange,
    ) -> Response<ProviderBody> {
        let headers = headers::for_client(head.headers, |value| exchange.is_secret(value));
        let mut response = self.of_made(headers, answer);
        exchange.tell(response.extensions_mut());
        response
    }

    fn stream(
        &self,
        head: Parts,
        first: Option<Bytes>,
        body: Upstream,
        exchange: Box<dyn Exchange>,
    ) -> Response<ProviderBody> {
        let mut headers = headers::for_client(head.headers, |value| exchange.is_secret(value));
        headers.insert(CONTENT_TYPE, SSE);
        let deployment = self.deployment.served.deployment().clone();
        let body = ProviderBody::stream(first, body, exchange, deployment, self.span.clone());
        self.response(StatusCode::OK, headers, body)
    }

    /// Makes the response of an error answer that is no failure. Its headers are those of an error: all are looked at.
    fn excused(
        &self,
        head: Parts,
        excused: Excused,
        exchange: &dyn Exchange,
    ) -> Response<ProviderBody> {
        let mut headers = head.headers;
        headers::redact(&mut headers, |value| exchange.is_secret(value));
        self.of_made(headers::for_client(headers, |_| false), excused)
    }

    /// Makes the response of an answer that was made here.
    fn of_made(&self, mut headers: http::HeaderMap, made: Excused) -> Response<ProviderBody> {
        let (content_type, text) = match made {
            Excused::Plain(answer) => (JSON, answer),
            Excused::Stream(events) => (SSE, events.into()),
        };
        headers.insert(CONTENT_TYPE, content_type);
        self.response(StatusCode::OK, headers, ProviderBody::full(text))
    }

    /// Makes the response of what is no answer. Its text stays here: nobody has looked at what it may hold.
    fn no_answer(
        &self,
        mut head: Parts,
        failure: Failure,
        exchange: &dyn Exchange,
    ) -> Response<ProviderBody> {
        head.headers.remove(CONTENT_TYPE);
        self.failed(head, Bytes::new(), failure, exchange)
    }

    /// Makes the response of an answer that is a failure. A status that does not say so gives way to the failure's.
    fn failed(
        &self,
        head: Parts,
        text: Bytes,
        failure: Failure,
        exchange: &dyn Exchange,
    ) -> Response<ProviderBody> {
        let failure = self.attribute(failure);
        let is_error = head.status.is_client_error() || head.status.is_server_error();
        let status = if is_error {
            head.status
        } else {
            failure.status()
        };
        let headers = headers::of_failure(head.headers, |value| exchange.is_secret(value));
        let mut response = self.response(status, headers, ProviderBody::full(text.into()));
        response.extensions_mut().insert(failure);
        response
    }

    fn response(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        body: ProviderBody,
    ) -> Response<ProviderBody> {
        let served = &self.deployment.served;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
            .extensions_mut()
            .insert(served.deployment().clone());
        response.extensions_mut().insert(served.clone());
        if let Some(keep_alive) = self.deployment.keep_alive {
            response.extensions_mut().insert(keep_alive);
        }
        response
    }

    /// Notes a failure in the span and names the deployment in it.
    fn attribute(&self, failure: Failure) -> Failure {
        let kind = failure.kind().as_str();
        self.span.record("error.type", kind);
        let deployment = self.deployment.served.deployment();
        tracing::debug!(target: "ziggurat.provider", %deployment, error.r#type = kind, "the upstream failed");
        failure.with_deployment(deployment.clone())
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ProviderBody>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let span = this.span.clone();
        let _entered = span.enter();
        loop {
            // Moved only once it has ended.
            match &mut this.state {
                State::Authorizing { request, .. } => {
                    let request = ready!(request.as_mut().poll(cx));
                    let State::Authorizing { exchange, host, .. } = this.take() else {
                        unreachable!("{POLLED}")
                    };
                    let request = request.map_err(|failure| this.attribute(failure))?;
                    this.state = State::Sending {
                        response: this.deployment.client.request(request),
                        exchange,
                        host,
                    };
                }
                State::Sending { response, .. } => {
                    let answer = ready!(Pin::new(&mut *response).poll(cx));
                    let is_second = response.is_second();
                    let State::Sending { exchange, host, .. } = this.take() else {
                        unreachable!("{POLLED}")
                    };
                    match answer {
                        Ok(response) => match this.head(response, exchange) {
                            Ok(response) => return Poll::Ready(Ok(response)),
                            Err(collecting) => this.state = State::Collecting(collecting),
                        },
                        Err(error) => {
                            let was_sent_twice = is_second && !error.is_connect();
                            let mut failure = transport::failed(error, host.as_ref());
                            if was_sent_twice {
                                failure = failure.with_sent_twice();
                            }
                            return Poll::Ready(Err(this.attribute(failure)));
                        }
                    }
                }
                State::Collecting(collecting) => {
                    let read = ready!(collecting.poll(cx));
                    let State::Collecting(collecting) = this.take() else {
                        unreachable!("{POLLED}")
                    };
                    return Poll::Ready(this.body(*collecting, read));
                }
                State::Local(answer) => {
                    let text = ready!(Pin::new(answer).poll(cx));
                    this.state = State::Done;
                    return Poll::Ready(match text {
                        Ok(text) => {
                            let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
                            let body = ProviderBody::full(text);
                            Ok(this.response(StatusCode::OK, headers, body))
                        }
                        Err(failure) => Err(this.attribute(failure.with_unsent())),
                    });
                }
                State::Made(_) | State::Refused(_) => match this.take() {
                    State::Made(response) => return Poll::Ready(Ok(*response)),
                    State::Refused(failure) => return Poll::Ready(Err(failure)),
                    _ => unreachable!("{POLLED}"),
                },
                State::Done => panic!("polled after it was ready"),
            }
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

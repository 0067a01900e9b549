//! The body of an answer.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tracing::Span;
use ziggurat_core::{DeploymentId, Failure, json::Printed};

use crate::{Exchange, decode::Upstream, transport};

/// How long a stream that is complete is read on, so that its connection can be used again. A well-behaved upstream ends
/// its answer at once.
const LINGER: Duration = Duration::from_millis(500);

/// The body of an answer: a document, or a stream that is passed on as it comes. Dropping a stream that has not ended
/// closes the upstream's connection.
pub struct ProviderBody {
    kind: Kind,
}

enum Kind {
    Full(Printed),
    Stream(Box<Stream>),
}

struct Stream {
    state: State,
    /// What was read to know that it is a stream.
    first: Option<Bytes>,
    exchange: Box<dyn Exchange>,
    /// Runs while the answer is complete and its end does not come.
    end: Option<Pin<Box<Sleep>>>,
    deployment: DeploymentId,
    span: Span,
}

/// How long after the last piece of an answer its end, or what it used, is waited for.
const END: Duration = Duration::from_secs(1);

enum State {
    /// More comes.
    Open(Upstream),
    /// The client has all; what is left of the upstream's answer does not matter.
    Complete(Upstream, Option<Pin<Box<Sleep>>>),
    /// The client gets the failure next.
    Failed(Failure),
    Over,
}

// === impl ProviderBody ===

impl ProviderBody {
    pub(crate) fn full(text: Printed) -> Self {
        Self {
            kind: Kind::Full(text),
        }
    }

    pub(crate) fn stream(
        first: Option<Bytes>,
        body: Upstream,
        exchange: Box<dyn Exchange>,
        deployment: DeploymentId,
        span: Span,
    ) -> Self {
        let stream = Stream {
            state: State::Open(body),
            first,
            exchange,
            end: None,
            deployment,
            span,
        };
        Self {
            kind: Kind::Stream(Box::new(stream)),
        }
    }
}

impl Body for ProviderBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match &mut self.get_mut().kind {
            Kind::Full(text) => Pin::new(text)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Kind::Stream(stream) => stream.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(text) => text.is_end_stream(),
            Kind::Stream(stream) => matches!(stream.state, State::Over),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(text) => text.size_hint(),
            Kind::Stream(stream) => match stream.state {
                // The client has all of it; the connection has still to end the answer.
                State::Complete(..) | State::Over => SizeHint::with_exact(0),
                State::Open(_) | State::Failed(_) => SizeHint::default(),
            },
        }
    }
}

impl fmt::Debug for ProviderBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Full(_) => "full",
            Kind::Stream(_) => "stream",
        };
        f.debug_struct("ProviderBody")
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

// === impl Stream ===

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            match &mut self.state {
                State::Open(body) => {
                    let frame = match self.first.take() {
                        Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
                        None => Pin::new(body).poll_frame(cx),
                    };
                    let streamed = match frame {
                        Poll::Ready(Some(Ok(frame))) => {
                            self.end = None;
                            let data = frame.into_data().unwrap_or_default(); // no trailers
                            self.exchange.chunk(data)
                        }
                        Poll::Ready(ended) => {
                            // There is nothing more to be read.
                            self.state = State::Over;
                            let broken = ended.and_then(Result::err);
                            self.exchange.end(broken.map(transport::broken))
                        }
                        Poll::Pending => {
                            if !self.exchange.is_complete() || self.poll_end(cx).is_pending() {
                                return Poll::Pending;
                            }
                            self.state = State::Over;
                            self.exchange.end(None)
                        }
                    };
                    if let Some(end) = streamed.end {
                        self.end(end);
                    }
                    if !streamed.data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(streamed.data))));
                    }
                }
                State::Complete(body, linger) => match Pin::new(body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(_)) | None) => self.state = State::Over,
                    Poll::Pending => {
                        let linger = linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
                        ready!(linger.as_mut().poll(cx));
                        self.state = State::Over;
                    }
                },
                State::Failed(_) | State::Over => {
                    return Poll::Ready(match mem::replace(&mut self.state, State::Over) {
                        State::Failed(failure) => Some(Err(failure)),
                        _ => None,
                    });
                }
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(END)));
        end.as_mut().poll(cx)
    }

    /// Notes how the stream ended. The upstream is let go at once unless it only has to finish.
    fn end(&mut self, end: Result<(), Failure>) {
        self.state = match (end, mem::replace(&mut self.state, State::Over)) {
            (Ok(()), State::Open(body)) => State::Complete(body, None),
            (Ok(()), _) => State::Over,
            (Err(failure), _) => {
                let kind = failure.kind().as_str();
                self.span.record("error.type", kind);
                let deployment = &self.deployment;
                tracing::debug!(
                    target: "ziggurat.provider", parent: &self.span, %deployment, error.r#type = kind,
                    "the upstream's stream failed"
                );
                State::Failed(failure.with_deployment(deployment.clone()))
            }
        };
    }
}

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Body;
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, Failure, KeepAlive, LateAnswer};

use super::{ResponseBody, pace::Pace};

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

pin_project! {
    /// The future of [`EarlyHead`](super::EarlyHead): the answer, or the head of a stream when one is due before.
    ///
    /// The body that follows such a head holds the call; dropping either gives the call up.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Direct { #[pin] future: F },
        // `None` after the end.
        Held { held: Option<Held<F>> },
    }
}

/// A call that may outlast its future.
pub(super) struct Held<F> {
    call: Pin<Box<F>>,
    pace: Pace,
}

// === impl Held ===

impl<F> Held<F> {
    pub(super) fn new(call: F, pace: Pace) -> Self {
        Self {
            call: Box::pin(call),
            pace,
        }
    }

    /// Makes the head of what the call has not answered yet.
    fn head<R>(self, every: KeepAlive) -> Response<ResponseBody<F, R>> {
        tracing::debug!(target: "ziggurat::early_head", "the head goes out before there is an answer");
        let late = LateAnswer::default();
        let mut response = Response::new(ResponseBody::waiting(self.call, late.clone()));
        response.headers_mut().insert(CONTENT_TYPE, EVENTS);
        response.extensions_mut().insert(every);
        response.extensions_mut().insert(late);
        response
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(super) const fn direct(future: F) -> Self {
        Self {
            state: State::Direct { future },
        }
    }

    pub(super) const fn held(held: Held<F>) -> Self {
        Self {
            state: State::Held { held: Some(held) },
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<F, R>>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let begun = |response: Response<R>| response.map(ResponseBody::begun);
        match self.project().state.project() {
            StateProj::Direct { future } => future.poll(cx).map_ok(begun).map_err(Failure::wrap),
            StateProj::Held { held } => {
                let running = held.as_mut().expect("polled after completion");
                if let Poll::Ready(result) = running.call.as_mut().poll(cx) {
                    let wish = running.pace.wish();
                    *held = None;
                    return Poll::Ready(result.map_err(Failure::wrap).map(|mut response| {
                        wish.map(|wish| response.extensions_mut().insert(wish));
                        begun(response)
                    }));
                }
                let every = ready!(running.pace.poll(cx));
                Poll::Ready(Ok(held.take().expect("it is running").head(every)))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("early_head::ResponseFuture")
            .finish_non_exhaustive()
    }
}

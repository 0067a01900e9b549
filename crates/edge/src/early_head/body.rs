use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, ByStatus, Failure, FailureKind, LateAnswer, judge};

use crate::respond::is_event_stream;

pin_project! {
    /// The body of a response of [`EarlyHead`](super::EarlyHead): the inner one, as soon as there is one.
    ///
    /// If the head went out before the answer, it holds the call and waits for it; a call that fails breaks it. It is `Unpin`
    /// if the inner body is.
    pub struct ResponseBody<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R> {
        Waiting { call: Pin<Box<F>>, late: LateAnswer },
        Begun { #[pin] body: R },
        Over,
    }
}

// === impl ResponseBody ===

impl<F, R> ResponseBody<F, R> {
    pub(super) const fn begun(body: R) -> Self {
        let state = State::Begun { body };
        Self { state }
    }

    pub(super) const fn waiting(call: Pin<Box<F>>, late: LateAnswer) -> Self {
        let state = State::Waiting { call, late };
        Self { state }
    }
}

/// Takes the body out of an answer that can follow the head of a stream.
fn begin<R>(result: Result<Response<R>, Failure>, late: &LateAnswer) -> Result<R, Failure> {
    if let Some(failure) = judge(&ByStatus, &result) {
        return Err(failure);
    }
    let response = result?;
    let is_stream = is_event_stream(&response);
    let (head, body) = response.into_parts();
    let deployment = head.extensions.get().cloned();
    late.tell(head.extensions);
    if is_stream {
        return Ok(body);
    }
    let failure = Failure::new(FailureKind::InvalidResponse)
        .with_message("the answer is no stream, and the head of one went out before it");
    Err(match deployment {
        Some(deployment) => failure.with_deployment(deployment),
        None => failure,
    })
}

impl<F, R, E> Body for ResponseBody<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Data = R::Data;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, Failure>>> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Over => return Poll::Ready(None),
                StateProj::Begun { body } => {
                    return body.poll_frame(cx).map_err(Failure::wrap);
                }
                StateProj::Waiting { call, late } => {
                    let result = ready!(call.as_mut().poll(cx)).map_err(Failure::wrap);
                    begin(result, late)
                }
            };
            match next {
                Ok(body) => state.set(State::Begun { body }),
                Err(failure) => {
                    state.set(State::Over);
                    return Poll::Ready(Some(Err(failure)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Waiting { .. } => false,
            State::Begun { body } => body.is_end_stream(),
            State::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Waiting { .. } => SizeHint::default(),
            State::Begun { body } => body.size_hint(),
            State::Over => SizeHint::with_exact(0),
        }
    }
}

impl<F, R> fmt::Debug for ResponseBody<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("early_head::ResponseBody")
            .finish_non_exhaustive()
    }
}

//! One of several calls.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use ziggurat_core::{BoxError, ByStatus, Failure, JsonBody, Tried, judge};

/// A call of one model, from its beginning to the end of its answer.
pub(super) struct Branch<S, R>
where
    S: Service<Request<JsonBody>>,
{
    state: State<S, R>,
    pub(super) tried: Tried,
}

enum State<S, R>
where
    S: Service<Request<JsonBody>>,
{
    Readying(S, Option<Box<Request<JsonBody>>>),
    // Boxed, so that branches can move: there are several only where a request asks for it.
    Calling(Pin<Box<S::Future>>),
    Reading(R, BytesMut),
    Done,
}

impl<S, R> Branch<S, R>
where
    S: Service<Request<JsonBody>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    pub(super) fn new(service: S, request: Request<JsonBody>, tried: Tried) -> Self {
        Self {
            state: State::Readying(service, Some(Box::new(request))),
            tried,
        }
    }

    /// Waits for the answer, its body not read.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<R>, Failure>> {
        loop {
            match &mut self.state {
                State::Readying(service, request) => {
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        return self.failed(Failure::wrap(error));
                    }
                    let request = request.take();
                    let request = request.expect("leaves this state together with its request");
                    self.state = State::Calling(Box::pin(service.call(*request)));
                }
                State::Calling(future) => {
                    let result = ready!(future.as_mut().poll(cx)).map_err(Failure::wrap);
                    self.state = State::Done;
                    return Poll::Ready(match judge(&ByStatus, &result) {
                        Some(failure) => Err(failure),
                        None => result,
                    });
                }
                State::Reading(..) | State::Done => panic!("polled after its head"),
            }
        }
    }

    /// Waits for the whole answer.
    pub(super) fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Failure>> {
        loop {
            let State::Reading(body, text) = &mut self.state else {
                let response = ready!(self.poll_head(cx))?;
                self.state = State::Reading(response.into_body(), BytesMut::new());
                continue;
            };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        text.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return self.failed(Failure::wrap(error)),
                None => {
                    let text = std::mem::take(text).freeze();
                    self.state = State::Done;
                    return Poll::Ready(Ok(text));
                }
            }
        }
    }

    fn failed<T>(&mut self, failure: Failure) -> Poll<Result<T, Failure>> {
        self.state = State::Done;
        Poll::Ready(Err(failure))
    }
}

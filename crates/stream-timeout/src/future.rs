//! The future of a call.

use std::{
    collections::VecDeque,
    error::Error as _,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{Response, response::Parts};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, ContentFiltered, DeploymentId, Failure, FailureKind, Head};

use crate::{
    body::{Events, ResponseBody},
    clock::Clock,
    detect::{Detect, Found, Scan},
    error::{Elapsed, Limit},
    limits::{is_event_stream, is_stream},
    peek::Pieces,
    whole::{StreamCommit, Whole},
};

/// How many bytes of a stream are held while there is no content, frames counted with what they take themselves: 256 KiB.
/// A stream that sends more without content is handed out as it is.
///
/// It is room for the lifecycle events of a stream that repeat the instructions and tools of their request.
pub const MAX_HELD: usize = 256 * 1024;

pin_project! {
    /// The future of [`StreamTimeout`](crate::StreamTimeout): it ends with the first content of a stream, or with its last
    /// byte.
    ///
    /// Dropping it drops the call, or the response with what was held of it, and frees the timer.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, R, D>
    where
        R: Body,
        D: Detect,
    {
        #[pin]
        state: State<F, R, D>,
        // Whether the request asks for a stream.
        wanted: bool,
        commit: StreamCommit,
        clock: Clock,
        detect: D,
    }
}

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwned]
    enum State<F, R, D>
    where
        R: Body,
        D: Detect,
    {
        Calling {
            #[pin]
            call: F,
        },
        Holding {
            hold: Hold<R, D::Scan>,
        },
        Completing {
            whole: Whole<R>,
        },
        Done,
    }
}

/// A response that waits for its content.
struct Hold<R: Body, S> {
    parts: Parts,
    body: R,
    held: VecDeque<Frame<R::Data>>,
    size: usize,
    scan: S,
    /// `None` if it is no event stream.
    events: Option<Events>,
}

// === impl ResponseFuture ===

impl<F, R: Body, D: Detect> ResponseFuture<F, R, D> {
    pub(crate) const fn new(
        call: F,
        wanted: bool,
        commit: StreamCommit,
        clock: Clock,
        detect: D,
    ) -> Self {
        Self {
            state: State::Calling { call },
            wanted,
            commit,
            clock,
            detect,
        }
    }
}

impl<F, R, E, D> Future for ResponseFuture<F, R, D>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body + Unpin,
    R::Error: Into<BoxError>,
    D: Detect,
{
    type Output = Result<Response<ResponseBody<R>>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let failure = match this.state.as_mut().project() {
                StateProj::Calling { call } => match call.poll(cx) {
                    Poll::Ready(Ok(response)) if is_stream(*this.wanted, &response) => {
                        let hold = Hold::new(response, this.detect);
                        this.state.set(State::Holding { hold });
                        continue;
                    }
                    Poll::Ready(result) => {
                        this.state.set(State::Done);
                        let result = result.map(|response| response.map(ResponseBody::passing));
                        return Poll::Ready(result.map_err(Failure::wrap));
                    }
                    Poll::Pending if *this.wanted => ready!(this.clock.poll_first(cx)),
                    Poll::Pending => return Poll::Pending,
                },
                StateProj::Holding { hold } => match ready!(hold.poll(cx, this.clock)) {
                    Ok(found) => {
                        let state = this.state.as_mut().project_replace(State::Done);
                        let StateOwned::Holding { hold } = state else {
                            unreachable!("it is what was just polled");
                        };
                        let name = this.clock.deployment().cloned();
                        let response = hold.commit(found, mem::take(this.clock).begin_body());
                        if *this.commit == StreamCommit::FirstContent {
                            return Poll::Ready(Ok(response));
                        }
                        // For failures of the stream from here on, the clock has nothing but its name.
                        *this.clock = Clock::new(None, None, None, name);
                        let whole = Whole::new(response);
                        this.state.set(State::Completing { whole });
                        continue;
                    }
                    Err(failure) => this.clock.name(failure),
                },
                StateProj::Completing { whole } => match ready!(whole.poll(cx)) {
                    Ok(()) => {
                        let state = this.state.as_mut().project_replace(State::Done);
                        let StateOwned::Completing { whole } = state else {
                            unreachable!("it is what was just polled");
                        };
                        return Poll::Ready(Ok(whole.commit()));
                    }
                    Err(failure) => this.clock.name(failure),
                },
                StateProj::Done => panic!("a future is not polled after its end"),
            };
            tracing::debug!(
                target: "ziggurat::stream_timeout",
                deployment = this.clock.deployment().map(DeploymentId::as_str),
                error.type = failure.kind().as_str(),
                limit = limit(&failure),
                "the stream failed before it was handed out"
            );
            this.state.set(State::Done);
            return Poll::Ready(Err(failure));
        }
    }
}

impl<F, R: Body, D: Detect> fmt::Debug for ResponseFuture<F, R, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Calling { .. } => "calling",
            State::Holding { .. } => "holding",
            State::Completing { .. } => "completing",
            State::Done => "done",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

// === impl Hold ===

impl<R, S> Hold<R, S>
where
    R: Body + Unpin,
    R::Error: Into<BoxError>,
    S: Scan,
{
    fn new<D: Detect<Scan = S>>(response: Response<R>, detect: &D) -> Self {
        let scan = detect.scan(Head::of(&response));
        let (parts, body) = response.into_parts();
        Self {
            events: is_event_stream(&parts.headers).then(Events::default),
            parts,
            body,
            held: VecDeque::new(),
            size: 0,
            scan,
        }
    }

    /// Reads on until there is something to show.
    fn poll(&mut self, cx: &mut Context<'_>, clock: &mut Clock) -> Poll<Result<Found, Failure>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let found = self.look(&frame);
                    self.held.push_back(frame);
                    if found != Found::Nothing || self.size > MAX_HELD {
                        return Poll::Ready(Ok(found));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Failure::wrap(error))),
                Poll::Ready(None) => {
                    let failure = Failure::new(FailureKind::Disconnected)
                        .with_message("the stream ended before its first content");
                    return Poll::Ready(Err(failure));
                }
                Poll::Pending => return clock.poll_first(cx).map(Err),
            }
        }
    }

    fn look(&mut self, frame: &Frame<R::Data>) -> Found {
        self.size += size_of::<Frame<R::Data>>();
        let Some(data) = frame.data_ref() else {
            let trailers = frame.trailers_ref();
            return trailers.map_or(Found::Nothing, |trailers| self.scan.trailers(trailers));
        };
        self.size += data.remaining();
        if let Some(events) = &mut self.events {
            events.hear(data);
        }
        let pieces = Pieces::of(data);
        let found = pieces
            .iter()
            .map(|piece| self.scan.read(piece))
            .find(|&found| found != Found::Nothing);
        match found {
            Some(found) => found,
            None if pieces.whole => Found::Nothing,
            // What cannot be seen may be anything.
            None => Found::Content,
        }
    }

    fn commit(mut self, found: Found, clock: Clock) -> Response<ResponseBody<R>> {
        if found == Found::Filtered {
            self.parts.extensions.insert(ContentFiltered);
        }
        let body = ResponseBody::watched(self.held, self.body, clock, self.events);
        Response::from_parts(self.parts, body)
    }
}

/// The limit that a failure came from, for events.
pub(crate) fn limit(failure: &Failure) -> Option<&'static str> {
    let elapsed = failure.source()?.downcast_ref::<Elapsed>()?;
    Some(Limit::as_str(elapsed.limit()))
}

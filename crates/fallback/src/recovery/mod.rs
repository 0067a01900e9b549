//! Streams that go on after they broke.

mod chat;
mod events;
mod json;
mod messages;
pub(crate) mod prefill;
mod responses;
mod silence;
mod splice;
mod thoughts;
mod transcript;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    Extensions, Request, Response,
    header::{CONTENT_TYPE, HeaderValue},
};
use http_body::{Body, Frame};
use tower_service::Service;
use ziggurat_core::{
    BoxError, Classify, DeploymentId, Failure, FailureKind, LlmRequest, Meter, Operation,
};

pub use self::splice::MAX_KEPT;
use self::{silence::Silence, splice::Splice, transcript::Diverged};
use crate::{asking::Asking, body::bytes_of};

/// What is done about a stream that breaks after its first content has gone out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamRecovery {
    /// Nothing: the body fails.
    #[default]
    Off,
    /// Another deployment of the group, then the next group, is asked for the whole answer. What the client has is left out of
    /// it, as long as it is repeated to the letter; else the body fails.
    Restart,
    /// A group that [takes it](crate::FallbackLayer::prefill) is sent what was said, as the beginning of the assistant's
    /// message, and goes on from there; any other, and one that refuses it, is asked as by [`Restart`](Self::Restart). So is
    /// every group for one of OpenAI's Responses.
    Continue,
}

/// Says whether a request is for a stream whose format is understood here.
pub(crate) fn is_wanted(extensions: &Extensions) -> bool {
    let operation = Operation::of(extensions);
    extensions.get().is_some_and(LlmRequest::stream)
        && matches!(
            operation,
            Operation::Chat | Operation::Completions | Operation::Messages | Operation::Responses
        )
}

/// Says whether an answer is a stream.
pub(crate) fn is_recoverable<R>(response: &Response<R>) -> bool {
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes);
    let is_events = kind.is_some_and(|kind| {
        let essence = kind.split(|&byte| byte == b';').next().unwrap_or_default();
        essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"text/event-stream")
    });
    is_events && response.status().is_success() && response.extensions().get::<Failure>().is_none()
}

/// A stream, and those who go on with it when it breaks.
pub(crate) struct Recovery<S, B, R, C>
where
    S: Service<Request<B>>,
{
    /// `None` while another group is asked, and after the end.
    body: Option<Pin<Box<R>>>,
    asking: Pin<Box<Asking<S, B, R, C>>>,
    splice: Splice,
    /// Why the first stream broke.
    broke: Option<Failure>,
    /// Who goes on, until the client gets something of that.
    next: Option<Next>,
    silence: Silence,
    is_over: bool,
    continues: bool,
}

/// Who goes on with a stream.
struct Next {
    deployment: Option<DeploymentId>,
    meter: Option<Meter>,
}

type Polled = Option<Result<Frame<Bytes>, Failure>>;

// === impl Recovery ===

impl<S, B, R, C> Recovery<S, B, R, C>
where
    S: Service<Request<B>>,
{
    pub(crate) fn new(body: R, asking: Asking<S, B, R, C>, recovery: StreamRecovery) -> Self {
        Self {
            continues: recovery == StreamRecovery::Continue,
            body: Some(Box::pin(body)),
            splice: Splice::new(asking.operation()),
            silence: Silence::new(asking.recovery_timeout()),
            asking: Box::pin(asking),
            broke: None,
            next: None,
            is_over: false,
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Ends the body with a failure.
    fn fail(&mut self, failure: Failure) -> Polled {
        self.body = None;
        self.asking.as_mut().leave();
        self.is_over = true;
        Some(Err(failure))
    }

    /// Ends the body because an answer says something else than the one that broke.
    fn diverge(&mut self) -> Polled {
        self.give_up("no other answer repeats what was sent of it")
    }

    /// Ends the body because the client has heard nothing new for too long.
    fn fall_silent(&mut self) -> Polled {
        self.give_up("no other answer went on with it in time")
    }

    /// Ends the body though others answer. Nobody is to blame for that: the failure is the one that broke the stream.
    fn give_up(&mut self, reason: &'static str) -> Polled {
        let broke = self.broke.take().unwrap_or_else(|| {
            debug_assert!(false, "the first answer has nothing to repeat");
            FailureKind::InvalidResponse.into()
        });
        let why = broke
            .message()
            .map_or_else(|| broke.to_string(), str::to_owned);
        let failure = broke.with_message(format!("{why}; {reason}"));
        tracing::warn!(
            target: "ziggurat::fallback",
            reason,
            error.type = failure.kind().as_str(),
            "a stream was not recovered",
        );
        self.fail(failure)
    }

    /// Asks the next group, if that can help; else returns the failure.
    fn go_on(&mut self, failure: Failure) -> Result<(), Failure> {
        self.body = None;
        let helps = failure.kind() != FailureKind::ContentPolicy && !failure.is_blameless();
        if !helps || !self.splice.is_recoverable() {
            return Err(failure);
        }
        self.broke.get_or_insert_with(|| failure.clone());
        self.silence.begin();
        let said = self.splice.said().filter(|_| self.continues);
        self.asking.as_mut().go_on(failure, said.map(str::to_owned));
        Ok(())
    }

    /// Goes on with the answer of another group.
    fn take_over(&mut self, response: Response<R>) -> Result<(), Failure> {
        if !is_recoverable(&response) {
            let failure = Failure::new(FailureKind::InvalidResponse)
                .with_message("the answer that was to go on with a stream is none");
            return self.go_on(failure);
        }
        let (head, body) = response.into_parts();
        self.next = Some(Next {
            deployment: head.extensions.get().cloned(),
            meter: head.extensions.get().cloned(),
        });
        match self.asking.is_prefilled() {
            true => self.splice.go_on(),
            false => self.splice.restart(),
        }
        self.body = Some(Box::pin(body));
        Ok(())
    }

    /// Writes down who goes on, once all that the client has was repeated.
    fn note(&mut self) {
        if self.splice.is_repeated()
            && let Some(next) = self.next.take()
        {
            self.asking.note_recovery(next.deployment, next.meter);
        }
    }
}

impl<S, B, R, C> Recovery<S, B, R, C>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    C: Classify,
    B: Clone,
    R: Body,
    R::Error: Into<BoxError>,
{
    /// Says whether not a byte is left to come, though the end may be.
    pub(crate) fn has_no_more(&self) -> bool {
        let is_whole = |body: &Pin<Box<R>>| body.size_hint().exact() == Some(0);
        self.is_over || self.splice.has_given_all() && self.body.as_ref().is_some_and(is_whole)
    }

    // Where it is taken for as likely, the frames of streams that are not recovered cost a tenth more.
    #[cold]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        while !self.is_over {
            match self.step(cx) {
                Poll::Ready(given) if self.is_over || !self.silence.has_passed() => {
                    if given.is_some() {
                        return Poll::Ready(given);
                    }
                }
                Poll::Pending if self.silence.poll(cx).is_pending() => return Poll::Pending,
                _ => return Poll::Ready(self.fall_silent()),
            }
        }
        Poll::Ready(None)
    }

    /// Goes on by a frame or an answer; with what the client gets of it, if that is anything.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        let went_on = match &mut self.body {
            Some(body) => match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => return Poll::Ready(self.frame(frame)),
                Some(Err(error)) => self.go_on(Failure::wrap(error)),
                None => return Poll::Ready(self.end()),
            },
            None => match ready!(self.asking.as_mut().poll(cx)) {
                Ok(response) => self.take_over(response),
                // It is the one that broke the stream, for that was the first outcome.
                Err(failure) => Err(failure),
            },
        };
        Poll::Ready(went_on.err().and_then(|failure| self.fail(failure)))
    }

    /// Returns what the client gets of a frame; `None` if that is nothing.
    fn frame(&mut self, frame: Frame<R::Data>) -> Option<Result<Frame<Bytes>, Failure>> {
        let data = match bytes_of(frame).into_data() {
            Ok(data) => data,
            Err(trailers) => return Some(Ok(trailers)),
        };
        match self.splice.read(data) {
            Ok(data) => {
                self.note();
                if !data.is_empty() && self.splice.is_repeated() {
                    self.silence.end();
                }
                (!data.is_empty()).then(|| Ok(Frame::data(data)))
            }
            Err(Diverged) => self.diverge(),
        }
    }

    fn end(&mut self) -> Polled {
        match self.splice.end() {
            Ok(rest) => {
                self.note();
                self.body = None;
                self.is_over = true;
                (!rest.is_empty()).then(|| Ok(Frame::data(rest)))
            }
            Err(Diverged) => self.diverge(),
        }
    }
}

use std::{
    collections::VecDeque,
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::Guard;

/// A body that yields a list of frames, pauses and errors.
///
/// By default it knows its size, unless it hangs or breaks, and reports its end as soon as nothing is left. A clone starts where its original is,
/// pauses anew, and holds a guard of its own.
#[derive(Debug, Default)]
pub struct ScriptedBody {
    steps: VecDeque<Step>,
    size: Size,
    silent: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    guard: Option<Guard>,
}

#[derive(Clone)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Error(ScriptedError),
    Pending,
    Wait(Duration),
    Hang,
}

#[derive(Clone, Debug, Default)]
enum Size {
    /// The sum of the data that is left.
    #[default]
    Exact,
    Unknown,
    Fixed(SizeHint),
}

impl ScriptedBody {
    /// Creates an empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a data frame.
    #[must_use]
    pub fn data(self, data: impl Into<Bytes>) -> Self {
        self.then(Step::Data(data.into()))
    }

    /// Adds a frame of trailers.
    #[must_use]
    pub fn trailers(self, trailers: HeaderMap) -> Self {
        self.then(Step::Trailers(trailers))
    }

    /// Adds an error; what comes after it is never reached.
    #[must_use]
    pub fn error(self, message: impl Into<Arc<str>>) -> Self {
        self.then(Step::Error(ScriptedError::new(message)))
    }

    /// Adds a poll that returns `Pending` and wakes at once.
    #[must_use]
    pub fn pending(self) -> Self {
        self.then(Step::Pending)
    }

    /// Adds a pause, which begins when it is first polled.
    #[must_use]
    pub fn wait(self, duration: Duration) -> Self {
        self.then(Step::Wait(duration))
    }

    /// Adds a pause without end.
    #[must_use]
    pub fn hang(self) -> Self {
        self.then(Step::Hang)
    }

    /// Makes the size unknown.
    #[must_use]
    pub fn unknown_size(mut self) -> Self {
        self.size = Size::Unknown;
        self
    }

    /// Makes the size hint always this one, true or not.
    #[must_use]
    pub fn size(mut self, hint: SizeHint) -> Self {
        self.size = Size::Fixed(hint);
        self
    }

    /// Makes `is_end_stream` always false: only `None` tells the end.
    #[must_use]
    pub fn silent_end(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Makes the body hold a guard until it is dropped, or has failed or ended.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = Some(guard);
        self
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    /// Returns what is yielded at this poll; `None` is the end.
    fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ScriptedError>>> {
        loop {
            match self.steps.front() {
                None => return Poll::Ready(None),
                Some(Step::Hang) => return Poll::Pending,
                Some(Step::Wait(duration)) => {
                    let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(*duration)));
                    ready!(sleep.as_mut().poll(cx));
                    self.sleep = None;
                }
                Some(_) => {}
            }
            match self.steps.pop_front() {
                Some(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Step::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Some(Step::Error(error)) => {
                    self.steps.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Step::Pending) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Wait(_) | Step::Hang) | None => {}
            }
        }
    }
}

impl Clone for ScriptedBody {
    fn clone(&self) -> Self {
        Self {
            steps: self.steps.clone(),
            size: self.size.clone(),
            silent: self.silent,
            sleep: None,
            guard: self.guard.clone(),
        }
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = ScriptedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ScriptedError>>> {
        let polled = ready!(self.poll_step(cx));
        if !matches!(polled, Some(Ok(_))) {
            self.guard = None;
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        !self.silent && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.size {
            Size::Fixed(hint) => *hint,
            Size::Unknown => SizeHint::default(),
            Size::Exact => {
                let data = self.steps.iter().map(|step| {
                    if let Step::Data(data) = step {
                        data.len()
                    } else {
                        0
                    }
                });
                let (data, mut hint) = (data.sum::<usize>() as u64, SizeHint::new());
                hint.set_lower(data);
                // One that hangs or breaks has not all that it was to have, so that it cannot claim to be whole.
                if !self.steps.iter().any(Step::is_without_end) {
                    hint.set_upper(data);
                }
                hint
            }
        }
    }
}

impl Step {
    const fn is_without_end(&self) -> bool {
        matches!(self, Self::Hang | Self::Error(_))
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(data) => write!(f, "Data({} bytes)", data.len()),
            Self::Trailers(_) => f.write_str("Trailers"),
            Self::Error(_) => f.write_str("Error"),
            Self::Pending => f.write_str("Pending"),
            Self::Wait(duration) => write!(f, "Wait({duration:?})"),
            Self::Hang => f.write_str("Hang"),
        }
    }
}

/// An error that is nothing but its message: that of a [`ScriptedBody`], or of any scripted service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedError {
    message: Arc<str>,
}

impl ScriptedError {
    /// Creates an error with this message.
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for ScriptedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for ScriptedError {}

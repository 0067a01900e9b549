//! How calls ended, for whoever counts or logs them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderValue, StatusCode};

use crate::{DeploymentId, FailureKind, Metadata, ModelGroup, Operation, Tried};

/// Hears of every attempt and every request when it has ended.
///
/// Calls come from the tasks that serve requests, some from destructors: they must not block or panic. Neither prompts
/// nor answers nor keys are told.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use ziggurat_core::{Observer, observe::RequestEnd};
///
/// /// Counts the tokens of all answers.
/// #[derive(Default)]
/// struct Tokens(AtomicU64);
///
/// impl Observer for Tokens {
///     fn request_ended(&self, end: &RequestEnd<'_>) {
///         self.0.fetch_add(end.call.output_tokens.unwrap_or(0), Ordering::Relaxed);
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// One call of one deployment has ended.
    fn attempt_ended(&self, end: &AttemptEnd<'_>) {
        let _ = end;
    }

    /// A request has ended, after all its attempts.
    fn request_ended(&self, end: &RequestEnd<'_>) {
        let _ = end;
    }
}

/// How a call ended, and what it took.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallEnd {
    /// How it ended.
    pub outcome: Ended,
    /// The status of the answer, or that of the failure in its place.
    pub status: Option<StatusCode>,
    /// Whether the answer was to come as a stream.
    pub stream: bool,
    /// The time from the call to the end of the body, to the failure, or to when it was dropped.
    pub elapsed: Duration,
    /// The time from the call to the first bytes of a stream.
    pub first_chunk: Option<Duration>,
    /// Tokens of the prompt, if the upstream told.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer, if the upstream told.
    pub output_tokens: Option<u64>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// With the last byte of an answer that no one calls a failure.
    Completed,
    /// With a failure; of a body that breaks, after the head of an answer.
    Failed(FailureKind),
    /// It was dropped before its end: the client has left, or another answer was preferred.
    Cancelled,
}

/// An attempt that has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AttemptEnd<'a> {
    /// The deployment that was called.
    pub deployment: Option<&'a DeploymentId>,
    /// The name that the request came under: not always that of a configured group.
    pub group: Option<&'a ModelGroup>,
    /// How it ended.
    pub call: &'a CallEnd,
}

/// A request that has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestEnd<'a> {
    /// What it asked; `None` if it was refused before that was known.
    pub asked: Option<&'a Asked>,
    /// The id that the caller knows it by.
    pub id: Option<&'a HeaderValue>,
    /// All its attempts.
    pub tried: &'a Tried,
    /// The deployment that answered, or failed last.
    pub deployment: Option<&'a DeploymentId>,
    /// How it ended.
    pub call: &'a CallEnd,
}

/// What a request asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The model, as the client named it.
    pub model: ModelGroup,
    /// The endpoint.
    pub operation: Operation,
    /// Whether it wants a stream.
    pub stream: bool,
    /// What the client says about the request.
    pub metadata: Option<Metadata>,
}

/// Where the edge writes what a request asks, for whoever stood outside before that was known.
///
/// A request extension, put by an observing layer outside the edge. Written once; cloning counts a reference.
#[derive(Clone, Debug, Default)]
pub struct Note(Arc<Written>);

#[derive(Debug, Default)]
struct Written {
    asked: OnceLock<Asked>,
    id: OnceLock<HeaderValue>,
    is_split: OnceLock<()>,
}

// === impl CallEnd ===

impl CallEnd {
    /// A call of which nothing but its outcome and time is known.
    #[must_use]
    pub const fn new(outcome: Ended, elapsed: Duration) -> Self {
        Self {
            outcome,
            status: None,
            stream: false,
            elapsed,
            first_chunk: None,
            input_tokens: None,
            output_tokens: None,
        }
    }
}

// === impl Ended ===

impl Ended {
    /// Returns a short lower-case name, fit for log fields and metric labels: that of the failure's kind, if it is one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed(kind) => kind.as_str(),
            Self::Cancelled => "cancelled",
        }
    }
}

// === impl AttemptEnd ===

impl<'a> AttemptEnd<'a> {
    /// An attempt on a service without a name.
    #[must_use]
    pub const fn new(call: &'a CallEnd) -> Self {
        Self {
            deployment: None,
            group: None,
            call,
        }
    }
}

// === impl RequestEnd ===

impl<'a> RequestEnd<'a> {
    /// A request of which nothing but its attempts is known.
    #[must_use]
    pub const fn new(tried: &'a Tried, call: &'a CallEnd) -> Self {
        Self {
            asked: None,
            id: None,
            tried,
            deployment: None,
            call,
        }
    }
}

// === impl Asked ===

impl Asked {
    /// Asks a model for the next message of a conversation, in one piece.
    #[must_use]
    pub const fn new(model: ModelGroup) -> Self {
        Self {
            model,
            operation: Operation::Chat,
            stream: false,
            metadata: None,
        }
    }
}

// === impl Note ===

impl Note {
    /// A note that nothing is written on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes what the request asks; what was written first stays.
    pub fn write(&self, asked: Asked) {
        let _ = self.0.asked.set(asked);
    }

    /// Reads it.
    #[must_use]
    pub fn read(&self) -> Option<&Asked> {
        self.0.asked.get()
    }

    /// Writes the id that the caller knows the request by; what was written first stays.
    pub fn identify(&self, id: HeaderValue) {
        let _ = self.0.id.set(id);
    }

    /// Reads the id.
    #[must_use]
    pub fn id(&self) -> Option<&HeaderValue> {
        self.0.id.get()
    }

    /// Makes the note of one of several requests that this one becomes. It has the same id and says what it asks itself.
    /// Whoever put this note tells nobody from now on: the others tell for it.
    #[must_use]
    pub fn split(&self, asked: Asked) -> Self {
        let _ = self.0.is_split.set(());
        let part = Self::new();
        part.write(asked);
        if let Some(id) = self.id() {
            part.identify(id.clone());
        }
        part
    }

    /// Says whether others tell for it.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.0.is_split.get().is_some()
    }
}

// === impl Observer ===

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn attempt_ended(&self, end: &AttemptEnd<'_>) {
        (**self).attempt_ended(end);
    }

    fn request_ended(&self, end: &RequestEnd<'_>) {
        (**self).request_ended(end);
    }
}

/// Tells all, in order.
impl<O: Observer> Observer for Vec<O> {
    fn attempt_ended(&self, end: &AttemptEnd<'_>) {
        self.iter().for_each(|one| one.attempt_ended(end));
    }

    fn request_ended(&self, end: &RequestEnd<'_>) {
        self.iter().for_each(|one| one.request_ended(end));
    }
}

use std::time::Duration;

use tower_layer::Layer;

use crate::{StreamCommit, StreamTimeout, detect::ByContentType, limits::Limits};

/// Limits the silences of streams, and holds their responses until the first content: see the [crate page](crate).
#[derive(Clone, Copy, Debug)]
pub struct StreamTimeoutLayer<D = ByContentType> {
    limits: Limits,
    detect: D,
}

impl StreamTimeoutLayer {
    /// Limits the time from the start of a call to the first content of its stream, and each later silence unless
    /// [`idle`](Self::idle) is set.
    ///
    /// Zero, and what is too long for the clock, is no limit. The response is held all the same, so that a stream that
    /// breaks before its first content is a failed call.
    #[must_use]
    pub const fn new(first: Duration) -> Self {
        Self {
            limits: Limits::new(first),
            detect: ByContentType,
        }
    }
}

impl<D> StreamTimeoutLayer<D> {
    /// Limits each silence after the first content. The default is the limit for the first content; zero is none.
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.limits.idle = Some(limit);
        self
    }

    /// Limits the time from the start of a call to the last byte of its stream. The default is zero, which is none.
    #[must_use]
    pub fn total(mut self, limit: Duration) -> Self {
        self.limits.total = limit;
        self
    }

    /// Sets when the response of a stream is handed out. The default is with its first content.
    #[must_use]
    pub fn commit(mut self, commit: StreamCommit) -> Self {
        self.limits.commit = commit;
        self
    }

    /// Tells content by `detect` instead of [`ByContentType`].
    #[must_use]
    pub fn detect<E>(self, detect: E) -> StreamTimeoutLayer<E> {
        StreamTimeoutLayer {
            limits: self.limits,
            detect,
        }
    }
}

impl<S, D: Clone> Layer<S> for StreamTimeoutLayer<D> {
    type Service = StreamTimeout<S, D>;

    fn layer(&self, inner: S) -> Self::Service {
        StreamTimeout::new(inner, self.limits, self.detect.clone())
    }
}

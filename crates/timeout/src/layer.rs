use std::time::Duration;

use tower_layer::Layer;

use crate::{Timeout, limits::Limits};

/// Limits the time of each call: see the [crate page](crate).
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer {
    limits: Limits,
}

impl TimeoutLayer {
    /// Limits each call, from its start to the last byte of a plain response; a stream, to its head.
    ///
    /// Zero, and what is too long for the clock, is no limit.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self {
            limits: Limits::new(limit),
        }
    }

    /// Sets another limit for the wait for the head of a stream. Zero is none: the general limit holds.
    #[must_use]
    pub const fn stream(mut self, limit: Duration) -> Self {
        self.limits.stream = limit;
        self
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.limits)
    }
}

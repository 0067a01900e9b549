//! The time in which a client hears nothing new.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Limits the time from a break to the first new bytes: what another answer repeats is kept from the client, however slowly
/// it comes.
pub(super) struct Silence {
    /// Zero is no limit.
    limit: Duration,
    /// When the stream began.
    began: Instant,
    /// `None` while there is nothing to limit.
    until: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

// === impl Silence ===

impl Silence {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            began: Instant::now(),
            until: None,
            sleep: None,
        }
    }

    /// Begins with a break, unless it has begun with one before. What was said may take as long again.
    pub(super) fn begin(&mut self) {
        if self.until.is_none() && !self.limit.is_zero() {
            let now = Instant::now();
            let limit = self.limit.saturating_add(now - self.began);
            self.until = now.checked_add(limit);
        }
    }

    pub(super) fn end(&mut self) {
        self.until = None;
        self.sleep = None;
    }

    pub(super) fn has_passed(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    /// Waits for its limit: to be polled when there is nothing to read.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        sleep.as_mut().poll(cx)
    }
}

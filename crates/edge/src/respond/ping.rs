//! Signs of life in a stream that is silent for a while.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

/// A comment, which clients of event streams pass over: LiteLLM's own.
const PING: &[u8] = b": ping\n\n";

/// Comes whenever nothing was sent for a while.
pub(super) struct Pings {
    every: Duration,
    last: Instant,
    /// Whether what was sent ends an event: a comment within one would be none.
    between: bool,
    /// Made when there is first something to wait for, and armed again only when it has passed.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pings {
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            last: Instant::now(),
            between: true,
            sleep: None,
        }
    }

    /// Notes that something was sent.
    pub(super) fn sent(&mut self, data: &[u8]) {
        self.last = Instant::now();
        self.between = data.is_empty() && self.between || data.ends_with(b"\n\n");
    }

    /// Waits until it is time for a sign of life.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            let due = self.last + self.every;
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
            ready!(sleep.as_mut().poll(cx));
            if due <= Instant::now() {
                self.last = Instant::now();
                if self.between {
                    sleep.as_mut().reset(self.last + self.every);
                    return Poll::Ready(Bytes::from_static(PING));
                }
            }
            sleep.as_mut().reset(self.last + self.every);
        }
    }
}

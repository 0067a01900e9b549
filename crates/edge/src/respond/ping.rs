//! Signs of life in a stream that is silent for a while.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Comes whenever nothing was sent for a while.
pub(super) struct Pings {
    every: Duration,
    /// When something was sent last; `None` if nothing was.
    last: Option<Instant>,
    /// Whether what was sent ends an event: a comment within one would be none.
    between: bool,
    /// Made when there is first something to wait for, and armed again only when it has passed.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pings {
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            last: Some(Instant::now()),
            between: true,
            sleep: None,
        }
    }

    /// The first of these comes with the head.
    pub(super) fn at_once(every: Duration) -> Self {
        Self {
            last: None,
            ..Self::new(every)
        }
    }

    /// Notes that something was sent.
    pub(super) fn sent(&mut self, data: &[u8]) {
        self.last = Some(Instant::now());
        self.between = data.is_empty() && self.between || ends_an_event(data);
    }

    /// Waits until it is time for a sign of life.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(last) = self.last {
                let due = last + self.every;
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
                ready!(sleep.as_mut().poll(cx));
                if Instant::now() < due {
                    // It was armed for what was sent before.
                    sleep.as_mut().reset(due);
                    continue;
                }
            }
            let now = Instant::now();
            self.last = Some(now);
            if let Some(sleep) = &mut self.sleep {
                sleep.as_mut().reset(now + self.every);
            }
            if self.between {
                return Poll::Ready(());
            }
        }
    }
}

/// Says whether a piece of a stream ends with a blank line, in any of the ways in which lines of events may end.
pub(super) fn ends_an_event(data: &[u8]) -> bool {
    [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"]
        .iter()
        .any(|end| data.ends_with(end))
}

//! Clients that stop in the middle of a body, or send it too slowly.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};
use ziggurat_core::{Failure, FailureKind};

/// Bytes in a second, at least and on average, beyond the first wait. Far less than any line carries, and what Apache's
/// `mod_reqtimeout` asks for by default.
const RATE: f64 = 500.0;

/// Waits for the next piece of a body. Most bodies are there at once: there is no timer for them.
pub(super) struct Stall {
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    has_moved: bool,
    received: usize,
    /// When a piece was waited for first.
    began: Option<Instant>,
}

impl Stall {
    pub(super) const fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            sleep: None,
            has_moved: false,
            received: 0,
            began: None,
        }
    }

    /// Hears that a piece has come.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.has_moved = true;
        self.received += bytes;
    }

    /// Waits; ready once nothing has come for too long, or too little in all.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        let began = *self.began.get_or_insert_with(Instant::now);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        if std::mem::take(&mut self.has_moved) {
            let now = Instant::now();
            let earned = Duration::from_secs_f64(self.received as f64 / RATE);
            let end = began + limit + earned;
            sleep.as_mut().reset(end.min(now + limit));
        }
        sleep.as_mut().poll(cx).map(|()| {
            Failure::new(FailureKind::Timeout)
                .with_param("request_body")
                .with_message("the rest of the request body did not come in time")
        })
    }
}

//! Clients that stop in the middle of a body.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};
use ziggurat_core::{Failure, FailureKind};

/// Waits for the next piece of a body. Most bodies are there at once: there is no timer for them.
pub(super) struct Stall {
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    has_moved: bool,
}

impl Stall {
    pub(super) const fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            sleep: None,
            has_moved: false,
        }
    }

    /// Hears that a piece has come.
    pub(super) fn moved(&mut self) {
        self.has_moved = true;
    }

    /// Waits; ready once nothing has come for too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        if std::mem::take(&mut self.has_moved) {
            sleep.as_mut().reset(Instant::now() + limit);
        }
        sleep.as_mut().poll(cx).map(|()| {
            Failure::new(FailureKind::Timeout)
                .with_param("request_body")
                .with_message("the rest of the request body did not come in time")
        })
    }
}

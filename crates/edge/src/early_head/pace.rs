use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};
use ziggurat_core::{AskedKeepAlive, KeepAlive};

/// How long a client waits for a sign of life while there is no answer.
pub(super) struct Pace {
    started: Instant,
    /// The request's own wish.
    wish: Option<Duration>,
    /// What the deployment that was asked last says.
    asked: Option<AskedKeepAlive>,
    /// The layer's own.
    general: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(super) fn new(
        wish: Option<Duration>,
        asked: Option<AskedKeepAlive>,
        general: Option<Duration>,
    ) -> Self {
        Self {
            started: Instant::now(),
            wish,
            asked,
            general,
            sleep: None,
        }
    }

    /// Returns the request's own wish, which no deployment changes.
    pub(super) fn wish(&self) -> Option<KeepAlive> {
        self.wish.map(KeepAlive)
    }

    fn every(&self) -> Option<Duration> {
        let asked = || self.asked.as_ref()?.get().map(|KeepAlive(every)| every);
        let every = self.wish.or_else(asked).or(self.general);
        every.filter(|every| !every.is_zero())
    }

    /// Waits until the head is due. To be polled after the call, which may have come to another deployment.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<KeepAlive> {
        let every = self.every();
        let due = every.and_then(|every| self.started.checked_add(every));
        let (Some(every), Some(due)) = (every, due) else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(KeepAlive(every))
    }
}

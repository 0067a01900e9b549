use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};
use ziggurat_core::vitals::Waiting;

use crate::endpoint::Declared;

type Freed = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Places that are waited for, in the order in which they were chosen, and for how long.
pub(crate) struct Slots {
    full: Vec<Slot>,
    patience: Pin<Box<Sleep>>,
}

struct Slot {
    index: usize,
    waiting: Waiting,
    freed: Freed,
    /// A place may have become free before the first look.
    fresh: bool,
}

/// What came first.
pub(crate) enum Came<T> {
    Free(usize, T),
    TooLate,
}

impl Slots {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            full: Vec::new(),
            patience: Box::pin(sleep(patience)),
        }
    }

    pub(crate) fn add(&mut self, index: usize, declared: &Declared) {
        let waiting = Waiting::new(&declared.vitals);
        self.full.push(Slot {
            index,
            freed: Box::pin(waiting.next()),
            waiting,
            fresh: true,
        });
    }

    /// Looks for a free place wherever a call has ended; `take` takes it, if no one was faster.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(usize) -> Option<T>,
    ) -> Poll<Came<T>> {
        for slot in &mut self.full {
            let mut look = std::mem::take(&mut slot.fresh);
            // Comes to wait for the next end before it looks, so that none is missed in between.
            while slot.freed.as_mut().poll(cx).is_ready() {
                slot.freed = Box::pin(slot.waiting.next());
                look = true;
            }
            // The others are not asked: each end that they hear of is passed on when they are dropped.
            if look && let Some(taken) = take(slot.index) {
                return Poll::Ready(Came::Free(slot.index, taken));
            }
        }
        self.patience.as_mut().poll(cx).map(|()| Came::TooLate)
    }

    /// Stops to wait for one of them.
    pub(crate) fn remove(&mut self, index: usize) {
        self.full.retain(|slot| slot.index != index);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.full.is_empty()
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

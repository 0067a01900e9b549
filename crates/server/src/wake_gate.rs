//! Calls and bodies that are asked again only when there may be something new.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release},
    },
    task::{Context, Poll, Wake, Waker},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A response body that answers for itself while nothing has woken its task.
    ///
    /// After each piece of a stream hyper asks twice for the next one: before it flushes, and after. The second question goes
    /// through the bodies of all layers and their timers, and gets the same answer as the first.
    pub(crate) struct WakeGated<B> {
        #[pin]
        body: B,
        // `None` until the body is waited for: most are there at once.
        gate: Option<Gate>,
    }
}

/// Lets a task through to what it waits for only if something has woken it. Clones serve one task, one after the other.
#[derive(Clone)]
pub(crate) struct Gate {
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
    /// Whether something is waited for.
    waits: bool,
}

/// Wakes a task, and remembers it.
struct Bell {
    rung: AtomicBool,
    task: Mutex<Waker>,
}

// === impl WakeGated ===

impl<B> WakeGated<B> {
    /// With the gate of whoever made the body, if there is one.
    pub(crate) const fn new(body: B, gate: Option<Gate>) -> Self {
        Self { body, gate }
    }
}

impl<B: Body> Body for WakeGated<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(gate) = this.gate else {
            let polled = this.body.poll_frame(cx);
            if polled.is_pending() {
                *this.gate = Some(Gate::new(cx.waker().clone()));
            }
            return polled;
        };
        gate.poll(cx, |cx| this.body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Gate ===

impl Gate {
    /// A gate for a task that is not known yet.
    pub(crate) fn of_nobody() -> Self {
        Self::new(Waker::noop().clone())
    }

    fn new(task: Waker) -> Self {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(false),
            task: Mutex::new(task),
        });
        Self {
            waker: Arc::clone(&bell).into(),
            bell,
            // What waits now waits for the task itself.
            waits: false,
        }
    }

    /// Asks, if there is any use in it.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if self.is_shut(cx.waker()) {
            return Poll::Pending;
        }
        let polled = ask(&mut Context::from_waker(&self.waker));
        self.waits = polled.is_pending();
        polled
    }

    /// Says whether there is no use in asking: something is waited for, and nothing has woken this task since.
    fn is_shut(&self, task: &Waker) -> bool {
        // Before the body is asked, so that what happens meanwhile counts for the next time.
        let rung = self.bell.rung.swap(false, AcqRel);
        // A new task asks: what rang before the task was known here woke another one.
        let known = self.bell.is_for(task);
        self.waits && !rung && known
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

// === impl Bell ===

impl Bell {
    /// Says whether this task was to be woken; it is from now on.
    fn is_for(&self, task: &Waker) -> bool {
        let mut known = self.task();
        let is_known = known.will_wake(task);
        if !is_known {
            known.clone_from(task);
        }
        is_known
    }

    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Release);
        // A copy: whoever is woken may ask at once, and that needs the lock.
        let task = self.task().clone();
        task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::atomic::AtomicUsize};

    use bytes::Bytes;
    use tokio::sync::mpsc;
    use tokio_test::{assert_pending, task};

    use super::*;

    /// A body of what comes through a channel, which counts how often it is asked.
    struct Counted {
        pieces: mpsc::UnboundedReceiver<Bytes>,
        asked: Arc<AtomicUsize>,
    }

    impl Body for Counted {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.asked.fetch_add(1, AcqRel);
            let piece = self.pieces.poll_recv(cx);
            piece.map(|piece| piece.map(|data| Ok(Frame::data(data))))
        }
    }

    fn data(polled: Poll<Option<Result<Frame<Bytes>, Infallible>>>) -> Option<Bytes> {
        match polled {
            Poll::Ready(frame) => frame.map(|frame| frame.unwrap().into_data().unwrap()),
            Poll::Pending => panic!("there is a piece"),
        }
    }

    #[test]
    fn a_body_that_waits_is_asked_once_for_each_wake() {
        let (sender, pieces) = mpsc::unbounded_channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let body = Counted {
            pieces,
            asked: Arc::clone(&asked),
        };
        let mut body = task::spawn(WakeGated::new(body, None));
        let asked = || asked.swap(0, AcqRel);
        // What waits first knows the task, not the gate.
        for times in [1, 1, 0, 0] {
            assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
            assert_eq!(asked(), times);
        }
        for piece in ["one", "two"] {
            sender.send(piece.into()).unwrap();
            assert!(body.is_woken());
            let polled = body.enter(|cx, body| body.poll_frame(cx));
            assert_eq!(data(polled).unwrap(), piece);
            assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
            assert_eq!(asked(), 2, "{piece}");
            assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
            assert_eq!(asked(), 0, "{piece}");
        }
        drop(sender);
        assert!(body.is_woken());
        assert_eq!(data(body.enter(|cx, body| body.poll_frame(cx))), None);
    }

    #[test]
    fn another_task_gets_an_answer_and_is_woken() {
        let (sender, pieces) = mpsc::unbounded_channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let body = Counted {
            pieces,
            asked: Arc::clone(&asked),
        };
        let mut first = task::spawn(WakeGated::new(body, None));
        for _ in 0..2 {
            assert_pending!(first.enter(|cx, body| body.poll_frame(cx)));
        }
        let mut second = task::spawn(first.into_inner());
        asked.store(0, Release);
        assert_pending!(second.enter(|cx, body| body.poll_frame(cx)));
        assert_eq!(asked.swap(0, AcqRel), 1);
        sender.send("one".into()).unwrap();
        assert!(second.is_woken());
        let polled = second.enter(|cx, body| body.poll_frame(cx));
        assert_eq!(data(polled).unwrap(), "one");
    }
}

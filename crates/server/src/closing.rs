//! Connections that end in peace.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use hyper_util::server::graceful::GracefulConnection;
use pin_project_lite::pin_project;
use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::{Instant, Sleep, sleep},
};

use crate::activity::Activity;

/// How long a connection without a call may take to end after it was told. A client of HTTP/2 has to acknowledge it first, which
/// takes a round trip.
const FAREWELL: Duration = Duration::from_secs(1);

/// The same in farewells, for a client that says something meanwhile: it may be about to finish a head, or just talk.
const LONG_FAREWELL: u32 = 5;

/// The same for a client that was answered by HTTP/2. It may lack the last piece of an answer, which waits for its window.
const LONGEST_FAREWELL: u32 = 10;

/// Tells connections to end as soon as nothing runs on them, and drops those that do not. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closing {
    begun: Arc<AtomicBool>,
    told: Arc<Notify>,
}

pin_project! {
    /// A connection that hears of it.
    ///
    /// hyper-util's own asks a channel with a lock each time that its connection is polled; here a flag is enough.
    pub(crate) struct Hearing<C> {
        #[pin]
        connection: C,
        #[pin]
        told: OwnedNotified,
        closing: Closing,
        // The task that is woken to hear of it.
        task: Option<Waker>,
        activity: Activity,
        // It has heard.
        ending: Option<Farewell>,
    }
}

/// Waits for a connection that was told to end.
struct Farewell {
    look: Pin<Box<Sleep>>,
    /// How often nothing ran, one look after the other.
    quiet: u32,
}

// === impl Closing ===

impl Closing {
    /// Tells all.
    pub(crate) fn begin(&self) {
        self.begun.store(true, SeqCst);
        self.told.notify_waiters();
    }

    /// Waits until all are told.
    pub(crate) async fn begun(&self) {
        let told = self.told.notified();
        if !self.begun.load(SeqCst) {
            told.await;
        }
    }

    /// Lets a connection hear of it.
    pub(crate) fn hear<C>(&self, connection: C, activity: Activity) -> Hearing<C> {
        Hearing {
            connection,
            told: Arc::clone(&self.told).notified_owned(),
            closing: self.clone(),
            task: None,
            activity,
            ending: None,
        }
    }
}

// === impl Hearing ===

impl<C: GracefulConnection> Future for Hearing<C> {
    type Output = Result<(), C::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.ending.is_none() {
            let is_known = |task: &Waker| task.will_wake(cx.waker());
            if !this.task.as_ref().is_some_and(is_known) {
                *this.task = Some(cx.waker().clone());
                // Whether it was told shows below: the flag is set before anyone is woken.
                let _ = this.told.poll(cx);
            }
            if this.closing.begun.load(SeqCst) {
                this.activity.listen();
                *this.ending = Some(Farewell::new());
                this.connection.as_mut().graceful_shutdown();
            }
        }
        if let Poll::Ready(ended) = this.connection.poll(cx) {
            return Poll::Ready(ended);
        }
        let Some(farewell) = this.ending else {
            return Poll::Pending;
        };
        ready!(farewell.poll(this.activity, cx));
        tracing::debug!(target: "ziggurat::server", "a connection without a request was dropped");
        Poll::Ready(Ok(()))
    }
}

// === impl Farewell ===

impl Farewell {
    fn new() -> Self {
        Self {
            look: Box::pin(sleep(FAREWELL)),
            quiet: 0,
        }
    }

    /// Waits until nothing has run for so long that nothing will.
    fn poll(&mut self, activity: &Activity, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.look.as_mut().poll(cx));
            self.quiet = if activity.is_busy() {
                0
            } else {
                self.quiet + 1
            };
            let enough = match (activity.has_streams(), activity.has_spoken()) {
                (true, _) => LONGEST_FAREWELL,
                (false, true) => LONG_FAREWELL,
                (false, false) => 1,
            };
            if self.quiet >= enough {
                return Poll::Ready(());
            }
            self.look.as_mut().reset(Instant::now() + FAREWELL);
        }
    }
}

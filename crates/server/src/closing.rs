//! Connections that end in peace.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use hyper_util::server::graceful::GracefulConnection;
use pin_project_lite::pin_project;
use tokio::sync::{Notify, futures::OwnedNotified};

/// Tells connections to end as soon as nothing runs on them. Clones share it.
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
        // It has heard.
        is_ending: bool,
    }
}

// === impl Closing ===

impl Closing {
    /// Tells all.
    pub(crate) fn begin(&self) {
        self.begun.store(true, SeqCst);
        self.told.notify_waiters();
    }

    /// Lets a connection hear of it.
    pub(crate) fn hear<C>(&self, connection: C) -> Hearing<C> {
        Hearing {
            connection,
            told: Arc::clone(&self.told).notified_owned(),
            closing: self.clone(),
            task: None,
            is_ending: false,
        }
    }
}

// === impl Hearing ===

impl<C: GracefulConnection> Future for Hearing<C> {
    type Output = Result<(), C::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if !*this.is_ending {
            let is_known = |task: &Waker| task.will_wake(cx.waker());
            if !this.task.as_ref().is_some_and(is_known) {
                *this.task = Some(cx.waker().clone());
                // Whether it was told shows below: the flag is set before anyone is woken.
                let _ = this.told.poll(cx);
            }
            if this.closing.begun.load(SeqCst) {
                *this.is_ending = true;
                this.connection.as_mut().graceful_shutdown();
            }
        }
        this.connection.poll(cx)
    }
}

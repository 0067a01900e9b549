//! What is said on a connection, as hyper does not tell.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

use http::Extensions;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

/// Who has spoken on a connection, and whether anybody still wants its request to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// How many reads have succeeded since the last write, up to two, and whether any had before it. The end of the
    /// connection is a read that succeeds, too.
    reads: AtomicU8,
    /// Whether `outgoing` has a waker: to look costs less than to lock.
    is_blocked: AtomicBool,
    outgoing: Mutex<Outgoing>,
}

const ANSWERED_BEFORE: u8 = 4;
const MOST_READS: u8 = 2;

#[derive(Debug, Default)]
enum Outgoing {
    #[default]
    Free,
    /// The upstream takes nothing at the moment. Who waits for it to do so.
    Blocked(Waker),
    /// Nobody wants it to take more.
    Abandoned,
}

/// A connection whose [`Talk`] can be told from what hyper tells of it.
#[derive(Debug)]
pub(crate) struct Talking<T> {
    inner: T,
    talk: Talk,
}

// === impl Talk ===

impl Talk {
    /// Finds that of a connection.
    pub(crate) fn on(connected: &Connected) -> Option<Self> {
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        extras.remove()
    }

    /// Says whether the upstream had answered before, and has not said a byte since; if the connection has `ended`, but for
    /// that.
    pub(crate) fn is_silent(&self, ended: bool) -> bool {
        self.0.reads.load(Ordering::Relaxed) == ANSWERED_BEFORE + u8::from(ended)
    }

    /// Writes nothing more that the upstream does not take at once.
    pub(crate) fn abandon(&self) {
        self.give_up(|_| true);
    }

    /// Writes nothing more if the upstream does not take what there is.
    pub(crate) fn abandon_if_blocked(&self) {
        self.give_up(|outgoing| matches!(outgoing, Outgoing::Blocked(_)));
    }

    fn give_up(&self, may: impl FnOnce(&Outgoing) -> bool) {
        let mut outgoing = self.0.outgoing();
        if !may(&outgoing) {
            return;
        }
        let before = std::mem::replace(&mut *outgoing, Outgoing::Abandoned);
        drop(outgoing);
        if let Outgoing::Blocked(waker) = before {
            waker.wake();
        }
    }

    // All of a connection's reads and writes come from one task, so nothing is lost between load and store.
    fn note(&self, change: impl FnOnce(u8) -> u8) {
        let before = self.0.reads.load(Ordering::Relaxed);
        let after = change(before);
        if after != before {
            self.0.reads.store(after, Ordering::Relaxed);
        }
    }

    fn asked(&self) {
        self.note(|talk| match talk & !ANSWERED_BEFORE {
            0 => talk,
            _ => ANSWERED_BEFORE,
        });
        if self.0.is_blocked.load(Ordering::Relaxed) {
            self.0.is_blocked.store(false, Ordering::Relaxed);
            let mut outgoing = self.0.outgoing();
            if let Outgoing::Blocked(_) = *outgoing {
                *outgoing = Outgoing::Free;
            }
        }
    }

    /// What becomes of a write that has to wait.
    fn blocked<T>(&self, cx: &Context<'_>) -> Poll<io::Result<T>> {
        self.0.is_blocked.store(true, Ordering::Relaxed);
        let mut outgoing = self.0.outgoing();
        if let Outgoing::Abandoned = *outgoing {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        *outgoing = Outgoing::Blocked(cx.waker().clone());
        Poll::Pending
    }

    fn read(&self) {
        self.note(|talk| match talk & !ANSWERED_BEFORE {
            MOST_READS => talk,
            _ => talk + 1,
        });
    }
}

impl Shared {
    fn outgoing(&self) -> std::sync::MutexGuard<'_, Outgoing> {
        // Nothing under the lock can panic halfway.
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Talking ===

impl<T> Talking<T> {
    pub(crate) fn new(inner: T) -> Self {
        let talk = Talk::default();
        Self { inner, talk }
    }

    fn written(
        &self,
        cx: &Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => return self.talk.blocked(cx),
            Poll::Ready(Ok(1..)) => self.talk.asked(),
            Poll::Ready(_) => {}
        }
        written
    }
}

impl<T: Connection> Connection for Talking<T> {
    fn connected(&self) -> Connected {
        self.inner.connected().extra(self.talk.clone())
    }
}

impl<T: Read + Unpin> Read for Talking<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.talk.read();
        }
        read
    }
}

impl<T: Write + Unpin> Write for Talking<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS has a buffer of its own.
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Pending => self.talk.blocked(cx),
            flushed => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }
}

//! Connections that were kept for another request, and were gone when that came.
//!
//! An upstream may close an idle connection at the moment when a request is sent on it. Nothing is wrong then with either:
//! the request is sent once more, on a connection of its own, and nobody has to know. A connection that has not answered
//! before, or says a single byte before it breaks, is no such case.

use std::{
    error::Error,
    fmt,
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
};

use http::{Extensions, HeaderName, HeaderValue, Request, Response};
use hyper::{
    body::Incoming,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::client::legacy::{
    self, Client,
    connect::{Connected, Connection},
};
use ziggurat_core::json::Printed;

use crate::connect::Connector;

/// Who has spoken on a connection: how many reads have succeeded since the last write, up to two, and whether any had before
/// it. The end of the connection is a read that succeeds, too.
#[derive(Clone, Debug, Default)]
struct Talk(Arc<AtomicU8>);

const ANSWERED_BEFORE: u8 = 4;
const MOST_READS: u8 = 2;

/// A connection whose [`Talk`] can be told from an error.
#[derive(Debug)]
pub(crate) struct Talking<T> {
    inner: T,
    talk: Talk,
}

/// A request under way, which is sent once more if its connection turns out to be gone.
pub(crate) struct Sending {
    response: legacy::ResponseFuture,
    again: Option<Box<Again>>,
}

struct Again {
    /// Uses each connection once.
    client: Arc<Client<Connector, Printed>>,
    /// The request but for its headers.
    request: Request<Printed>,
    /// A list: nearly all are dropped unread, and a copy of the map costs twice as much.
    headers: Vec<(HeaderName, HeaderValue)>,
}

// === impl Talk ===

impl Talk {
    // All of a connection's reads and writes come from one task, so nothing is lost between load and store.
    fn note(&self, change: impl FnOnce(u8) -> u8) {
        let before = self.0.load(Ordering::Relaxed);
        let after = change(before);
        if after != before {
            self.0.store(after, Ordering::Relaxed);
        }
    }

    fn asked(&self) {
        self.note(|talk| match talk & !ANSWERED_BEFORE {
            0 => talk,
            _ => ANSWERED_BEFORE,
        });
    }

    fn read(&self) {
        self.note(|talk| match talk & !ANSWERED_BEFORE {
            MOST_READS => talk,
            _ => talk + 1,
        });
    }
}

/// Says whether a request failed because the connection that it was sent on was gone.
fn was_gone(error: &legacy::Error) -> bool {
    let Some(connected) = error.connect_info() else {
        return false;
    };
    // HTTP/2 carries several requests, and says which of them it did not take up.
    if connected.is_negotiated_h2() {
        return false;
    }
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    let cause = error.source().and_then(<dyn Error>::downcast_ref);
    let ended = cause.is_some_and(hyper::Error::is_incomplete_message);
    let silent = ANSWERED_BEFORE + u8::from(ended);
    extras
        .get()
        .is_some_and(|talk: &Talk| talk.0.load(Ordering::Relaxed) == silent)
}

// === impl Sending ===

impl Sending {
    /// Sends a request. If it has to be sent again, `fresh` makes the connection for it.
    pub(crate) fn new(
        client: &Client<Connector, Printed>,
        fresh: &Arc<Client<Connector, Printed>>,
        request: Request<Printed>,
    ) -> Self {
        let again = Again::new(fresh, &request);
        Self {
            response: client.request(request),
            again: Some(Box::new(again)),
        }
    }

    /// Says whether the request was sent once more.
    pub(crate) const fn is_second(&self) -> bool {
        self.again.is_none()
    }
}

impl Future for Sending {
    type Output = Result<Response<Incoming>, legacy::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let error = match ready!(Pin::new(&mut self.response).poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(error) => error,
            };
            if !was_gone(&error) {
                return Poll::Ready(Err(error));
            }
            let Some(again) = self.again.take() else {
                return Poll::Ready(Err(error));
            };
            tracing::debug!(target: "ziggurat.provider", "an idle connection was gone, sending again");
            self.response = again.send();
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

// === impl Again ===

impl Again {
    fn new(fresh: &Arc<Client<Connector, Printed>>, request: &Request<Printed>) -> Self {
        let mut copy = Request::new(request.body().clone());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.extensions_mut() = request.extensions().clone();
        let headers = request.headers().iter();
        Self {
            client: Arc::clone(fresh),
            request: copy,
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }

    fn send(mut self) -> legacy::ResponseFuture {
        let headers = self.request.headers_mut();
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        self.client.request(self.request)
    }
}

// === impl Talking ===

impl<T> Talking<T> {
    pub(crate) fn new(inner: T) -> Self {
        let talk = Talk::default();
        Self { inner, talk }
    }

    fn written(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.talk.asked();
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
        self.written(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
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
        self.written(written)
    }
}

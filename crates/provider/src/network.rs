//! Where connections come from: the network, or a function in its place.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tower_service::Service;
use ziggurat_core::BoxError;

use crate::connect::Connecting;

type Dial = dyn Fn(Uri) -> Connecting<Wire> + Send + Sync;

/// Makes connections, without TLS.
#[derive(Clone)]
pub(crate) enum Network {
    Tcp(HttpConnector),
    Own(Arc<Dial>),
}

/// A connection, without TLS.
pub(crate) enum Wire {
    Tcp(TokioIo<TcpStream>),
    Own(TokioIo<Box<dyn Duplex>>),
}

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

// === impl Network ===

impl Network {
    pub(crate) fn tcp() -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        // Idle connections through NAT gateways are dropped silently after a few minutes.
        connector.set_keepalive(Some(Duration::from_secs(60)));
        Self::Tcp(connector)
    }

    pub(crate) fn own<F, I>(dial: impl Fn(Uri) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<I>> + Send + 'static,
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::Own(Arc::new(move |upstream| {
            let connecting = dial(upstream);
            Box::pin(async move {
                let io: Box<dyn Duplex> = Box::new(connecting.await?);
                Ok(Wire::Own(TokioIo::new(io)))
            })
        }))
    }
}

impl Service<Uri> for Network {
    type Response = Wire;
    type Error = BoxError;
    type Future = Connecting<Wire>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Tcp(connector) => connector.poll_ready(cx).map_err(Into::into),
            Self::Own(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, upstream: Uri) -> Self::Future {
        match self {
            Self::Tcp(connector) => {
                let connecting = connector.call(upstream);
                Box::pin(async move { Ok(Wire::Tcp(connecting.await?)) })
            }
            Self::Own(dial) => dial(upstream),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            Self::Own(_) => "Own",
        })
    }
}

// === impl Wire ===

/// Does to either kind of connection what is the same for both.
macro_rules! either {
    ($wire:expr, $io:ident => $done:expr) => {
        match $wire {
            Wire::Tcp($io) => $done,
            Wire::Own($io) => $done,
        }
    };
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        either!(&mut *self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(&mut *self, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut *self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut *self, io => Pin::new(io).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        either!(self, io => io.is_write_vectored())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(&mut *self, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            Self::Own(_) => "Own",
        })
    }
}

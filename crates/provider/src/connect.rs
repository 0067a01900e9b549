//! Making connections: TCP, perhaps through a proxy, perhaps with TLS on top, all within one time limit.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::{
    legacy::connect::{Connected, Connection, proxy::Tunnel},
    proxy::matcher::Matcher,
};
use tower_service::Service;
use ziggurat_core::BoxError;

use crate::{
    HttpClientBuilder,
    network::{Network, Wire},
    talk::Talking,
};

pub(crate) type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Makes connections within a time limit.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    https: HttpsConnector<Tcp>,
    limit: Duration,
}

/// Makes TCP connections, to the upstream or to the proxy that stands before it.
#[derive(Clone, Debug)]
pub(crate) struct Tcp {
    network: Network,
    proxies: Option<Arc<Matcher>>,
}

/// A connection that knows whether requests on it are for a proxy, and so need the whole URL.
#[derive(Debug)]
pub(crate) struct Stream {
    io: Wire,
    proxied: bool,
}

// === impl Connector ===

impl Connector {
    pub(crate) fn new(options: &HttpClientBuilder, proxies: Option<Arc<Matcher>>) -> Self {
        let network = options.network.clone();
        let tcp = Tcp { network, proxies };
        let provider = rustls::crypto::ring::default_provider();
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .expect("ring serves the default TLS versions")
            .https_or_http();
        let https = if options.http2 {
            builder.enable_all_versions().wrap_connector(tcp)
        } else {
            builder.enable_http1().wrap_connector(tcp)
        };
        Self {
            https,
            limit: options.connect_timeout,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Talking<MaybeHttpsStream<Stream>>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, upstream: Uri) -> Self::Future {
        let connecting = self.https.call(upstream);
        let limit = self.limit;
        Box::pin(async move {
            let connected = tokio::time::timeout(limit, connecting).await??;
            Ok(Talking::new(connected))
        })
    }
}

// === impl Tcp ===

impl Service<Uri> for Tcp {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.network.poll_ready(cx)
    }

    fn call(&mut self, upstream: Uri) -> Self::Future {
        let mut network = self.network.clone();
        let proxy = self
            .proxies
            .as_ref()
            .and_then(|proxies| proxies.intercept(&upstream));
        let Some(proxy) = proxy else {
            let connecting = network.call(upstream);
            return Box::pin(async move { Ok(Stream::new(connecting.await?, false)) });
        };
        if proxy.uri().scheme_str() != Some("http") {
            return Box::pin(async { Err("the proxy is not an http:// one".into()) });
        }
        let address = proxy.uri().clone();
        if upstream.scheme_str() == Some("http") {
            let connecting = network.call(address);
            return Box::pin(async move { Ok(Stream::new(connecting.await?, true)) });
        }
        let mut tunnel = Tunnel::new(address, network);
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        let connecting = tunnel.call(upstream);
        Box::pin(async move { Ok(Stream::new(connecting.await?, false)) })
    }
}

// === impl Stream ===

impl Stream {
    fn new(io: Wire, proxied: bool) -> Self {
        Self { io, proxied }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.proxied)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

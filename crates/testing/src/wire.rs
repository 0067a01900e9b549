//! Real connections: a service behind hyper on a loopback socket, and a client for it.
//!
//! A test that polls a body by hand sees no framing fault: a wrong size hint, for one, only shows as a wrong
//! `content-length` on the wire.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header, uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};
use tower::ServiceExt;
use tower_service::Service;
use ziggurat_core::BoxError;

/// Serves a service on a free port of 127.0.0.1, over HTTP/1.1 and HTTP/2 (without TLS).
///
/// # Errors
///
/// If there is no port.
pub async fn serve<S, R>(service: S) -> io::Result<Served>
where
    S: Service<Request<Incoming>, Response = Response<R>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let task = AbortOnDrop(tokio::spawn(accept(listener, service)).abort_handle());
    Ok(Served { addr, _task: task })
}

/// Serves a service that takes collected request bodies, as [`serve`] does.
///
/// # Errors
///
/// If there is no port.
pub async fn serve_full<S, R>(service: S) -> io::Result<Served>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    serve(tower::service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = Full::new(body.collect().await?.to_bytes());
            service
                .oneshot(Request::from_parts(parts, body))
                .await
                .map_err(Into::into)
        }
    }))
    .await
}

async fn accept<S, R>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<R>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    // Dropped with this task, it ends the connections.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let service = TowerToHyperService::new(service.clone());
        connections.spawn(async move {
            // A failed connection shows at the client, where the test looks.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A service that listens. Dropping it closes the port and all connections.
#[derive(Debug)]
pub struct Served {
    addr: SocketAddr,
    _task: AbortOnDrop,
}

impl Served {
    /// Returns where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Opens an HTTP/1.1 connection.
    ///
    /// # Errors
    ///
    /// If connecting fails.
    pub async fn http1(&self) -> Result<Client, BoxError> {
        let io = TokioIo::new(TcpStream::connect(self.addr).await?);
        let (sender, connection) = http1::handshake(io).await?;
        Ok(Client::new(self.addr, Sender::Http1(sender), connection))
    }

    /// Opens an HTTP/2 connection, with prior knowledge.
    ///
    /// # Errors
    ///
    /// If connecting fails.
    pub async fn http2(&self) -> Result<Client, BoxError> {
        let io = TokioIo::new(TcpStream::connect(self.addr).await?);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        Ok(Client::new(self.addr, Sender::Http2(sender), connection))
    }
}

/// One connection to a [`Served`] service. Dropping it closes the connection.
pub struct Client {
    addr: SocketAddr,
    sender: Sender,
    _driver: AbortOnDrop,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    fn new(
        addr: SocketAddr,
        sender: Sender,
        connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
    ) -> Self {
        // Its errors come out of the requests and bodies as well.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Self {
            addr,
            sender,
            _driver: AbortOnDrop(driver.abort_handle()),
        }
    }

    /// Sends a request. Its URI may be a path alone; the host is added.
    ///
    /// # Errors
    ///
    /// If the connection fails before the response's head.
    pub async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, BoxError> {
        let host = self.addr.to_string();
        match &mut self.sender {
            Sender::Http1(sender) => {
                request
                    .headers_mut()
                    .entry(header::HOST)
                    .or_insert(HeaderValue::from_str(&host)?);
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
            Sender::Http2(sender) => {
                let mut parts = std::mem::take(request.uri_mut()).into_parts();
                parts.scheme = Some(uri::Scheme::HTTP);
                parts.authority.get_or_insert(host.parse()?);
                *request.uri_mut() = Uri::from_parts(parts)?;
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

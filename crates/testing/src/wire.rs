//! Real connections: a service behind hyper on a loopback socket or in memory, and a client for it.
//!
//! A test that polls a body by hand sees no framing fault: a wrong size hint, for one, only shows as a wrong
//! `content-length` on the wire.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, Version, header, uri};
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
    io::{AsyncRead, AsyncWrite, DuplexStream},
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

/// Bytes that are under way between the two ends of a connection in memory.
const IN_FLIGHT: usize = 16 * 1024;

/// Opens a connection to a service without a socket: HTTP/2 for [`Version::HTTP_2`], else HTTP/1.1.
///
/// Both ends run in the same runtime: with a paused clock nothing but the clock itself can let time pass.
///
/// # Errors
///
/// If the handshake fails.
pub async fn in_memory<S, R>(service: S, version: Version) -> Result<Client, BoxError>
where
    S: Service<Request<Incoming>, Response = Response<R>, Error: Into<BoxError>, Future: Send>,
    S: Clone + Send + 'static,
    R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (near, far): (DuplexStream, DuplexStream) = tokio::io::duplex(IN_FLIGHT);
    let server = tokio::spawn(async move {
        // A failed connection shows at the client, where the test looks.
        let _ = auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(far), TowerToHyperService::new(service))
            .await;
    });
    let mut client = Client::open("in.memory".to_owned(), near, version).await?;
    client._server = Some(AbortOnDrop(server.abort_handle()));
    Ok(client)
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
        self.connect(Version::HTTP_11).await
    }

    /// Opens an HTTP/2 connection, with prior knowledge.
    ///
    /// # Errors
    ///
    /// If connecting fails.
    pub async fn http2(&self) -> Result<Client, BoxError> {
        self.connect(Version::HTTP_2).await
    }

    async fn connect(&self, version: Version) -> Result<Client, BoxError> {
        let stream = TcpStream::connect(self.addr).await?;
        Client::open(self.addr.to_string(), stream, version).await
    }
}

/// One connection to a service. Dropping it closes the connection.
pub struct Client {
    host: String,
    sender: Sender,
    _driver: AbortOnDrop,
    /// The other end of a connection in memory.
    _server: Option<AbortOnDrop>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    async fn open<I>(host: String, io: I, version: Version) -> Result<Self, BoxError>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = TokioIo::new(io);
        // Errors of the connections come out of the requests and bodies as well.
        let (sender, driver) = if version == Version::HTTP_2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            let driver = tokio::spawn(async move { drop(connection.await) });
            (Sender::Http2(sender), driver)
        } else {
            let (sender, connection) = http1::handshake(io).await?;
            let driver = tokio::spawn(async move { drop(connection.await) });
            (Sender::Http1(sender), driver)
        };
        Ok(Self {
            host,
            sender,
            _driver: AbortOnDrop(driver.abort_handle()),
            _server: None,
        })
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
        let host = &self.host;
        match &mut self.sender {
            Sender::Http1(sender) => {
                request
                    .headers_mut()
                    .entry(header::HOST)
                    .or_insert(HeaderValue::from_str(host)?);
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
            .field("host", &self.host)
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

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri, header::PROXY_AUTHORIZATION, uri::Scheme};
use hyper_util::{
    client::{legacy::Client, proxy::matcher::Matcher},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::io::{AsyncRead, AsyncWrite};
use ziggurat_core::{Failure, FailureKind, json::Printed};

use crate::{
    collect::{Collect, Incomplete},
    connect::Connector,
    decode::Upstream,
    network::Network,
    reuse::Sending,
    shared::Shared,
    transport,
};

/// Largest answer to a request of our own.
const MAX_FETCHED: usize = 1024 * 1024;

/// An HTTP client with its connection pool. Clones share the pool: one client serves all deployments.
///
/// HTTP/1.1 and HTTP/2 (negotiated by TLS), rustls with the roots of Mozilla, TCP_NODELAY. A connection that is dropped
/// while an answer is still coming is closed; one whose answer was read to its end goes back to the pool. An upstream that
/// closes such a connection while the next request is sent on it, without a byte of an answer, gets that request once more,
/// on a new connection. What an upstream has not taken of a request when the call is dropped is dropped with it, and so is the
/// connection.
#[derive(Clone)]
pub struct HttpClient {
    inner: Client<Connector, Printed>,
    /// Makes a connection for each request.
    fresh: Arc<Client<Connector, Printed>>,
    proxies: Option<Arc<Matcher>>,
    /// What is fetched by way of it and serves several deployments.
    pub(crate) shared: Shared,
}

/// Options of an [`HttpClient`].
#[derive(Clone)]
#[must_use]
pub struct HttpClientBuilder {
    pub(crate) http2: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) network: Network,
    proxies: Option<Arc<Matcher>>,
    idle_timeout: Duration,
    max_idle: usize,
}

// === impl HttpClient ===

impl HttpClient {
    /// Creates a client with the defaults of [`HttpClientBuilder`].
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts with the defaults.
    pub fn builder() -> HttpClientBuilder {
        HttpClientBuilder::default()
    }

    /// Sends a small request of our own, such as one for a token, and reads the answer whole, whatever its status.
    ///
    /// There is no time limit but the one for making a connection; [`Cached`](crate::credentials::Cached) has one.
    ///
    /// # Errors
    ///
    /// No answer came, or one that is larger than 1 MiB or encoded in an unknown way.
    pub fn fetch(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Bytes>, Failure>> + Send + 'static {
        let host = request.uri().authority().cloned();
        let sending = self.request(request.map(Printed::from));
        async move {
            let (response, upload) = sending
                .await
                .map_err(|error| transport::failed(error, host.as_ref()))?;
            let (head, body) = Upstream::of(response, upload).map_err(|(_, failure)| failure)?;
            let mut body = Collect::new(body, MAX_FETCHED);
            match poll_fn(|cx| body.poll(cx)).await {
                Ok(()) => Ok(Response::from_parts(head, body.take())),
                Err(Incomplete::Broken(error)) => Err(transport::broken(error)),
                Err(_) => Err(Failure::new(FailureKind::InvalidResponse)
                    .with_message("the answer is larger than allowed")),
            }
        }
    }

    pub(crate) fn request(&self, mut request: Request<Printed>) -> Sending {
        if let Some(proxies) = &self.proxies
            && request.uri().scheme() == Some(&Scheme::HTTP)
            && let Some(proxy) = proxies.intercept(request.uri())
            && let Some(auth) = proxy.basic_auth()
        {
            // A tunnel is asked for with the header, a plain request carries it.
            let headers = request.headers_mut();
            headers.insert(PROXY_AUTHORIZATION, auth.clone());
        }
        Sending::new(&self.inner, &self.fresh, request)
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

// === impl HttpClientBuilder ===

impl HttpClientBuilder {
    /// Offers HTTP/2 to upstreams that speak TLS. Default: yes.
    ///
    /// All calls to one host then share one connection, and queue once it carries as many streams as the upstream allows
    /// (often 100). Switch it off for upstreams where that matters.
    pub fn http2(mut self, http2: bool) -> Self {
        self.http2 = http2;
        self
    }

    /// Limits the time to make a connection: name lookup, TCP and TLS together. Default: 10 s, which leaves room for two
    /// lost SYN packets (1 s and 3 s).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Closes a connection that was idle for so long. Default: 60 s, less than the keep-alive of common upstreams.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Keeps so many idle connections per host. Default: 256.
    pub fn max_idle_per_host(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }

    /// Makes connections by `dial` in place of TCP: through a Unix socket, or to an upstream within a test, without a network.
    ///
    /// It is given the URL of the request, or that of the proxy that stands before it. For `https` it gives the bare connection;
    /// TLS comes on top. The time limit holds for it, too: its future is dropped after it.
    ///
    /// ```
    /// # use ziggurat_provider::HttpClient;
    /// let client = HttpClient::builder().dial(|upstream| async move {
    ///     let (ours, theirs) = tokio::io::duplex(1024);
    ///     tokio::spawn(serve(upstream, theirs));
    ///     Ok(ours)
    /// });
    /// # async fn serve(_: http::Uri, _: tokio::io::DuplexStream) {}
    /// ```
    pub fn dial<F, I>(mut self, dial: impl Fn(Uri) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<I>> + Send + 'static,
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.network = Network::own(dial);
        self
    }

    /// Uses the proxies that `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` name, in small letters or capitals, as
    /// `lookup` gives them. Default: none.
    ///
    /// Proxies are spoken to over plain HTTP; one of another scheme fails each connection.
    pub fn proxy_environment(mut self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let value = lookup(name).or_else(|| lookup(&name.to_ascii_uppercase()));
            value.unwrap_or_default()
        };
        let matcher = Matcher::builder()
            .all(either("all_proxy"))
            .http(either("http_proxy"))
            .https(either("https_proxy"))
            .no(either("no_proxy"));
        self.proxies = Some(Arc::new(matcher.build()));
        self
    }

    /// Makes the client. No connection is made before the first request.
    #[must_use]
    pub fn build(&self) -> HttpClient {
        // Long enough to cost nothing, short enough to notice a dead peer before a user does.
        const PING: Duration = Duration::from_secs(20);
        const PONG: Duration = Duration::from_secs(10);
        let proxies = self.proxies.clone();
        let connector = Connector::new(self, proxies.clone());
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.idle_timeout)
            .pool_max_idle_per_host(self.max_idle)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PONG);
        HttpClient {
            inner: builder.build(connector.clone()),
            fresh: Arc::new(builder.pool_max_idle_per_host(0).build(connector)),
            proxies,
            shared: Shared::default(),
        }
    }
}

impl Default for HttpClientBuilder {
    fn default() -> Self {
        Self {
            http2: true,
            connect_timeout: Duration::from_secs(10),
            network: Network::tcp(),
            proxies: None,
            idle_timeout: Duration::from_secs(60),
            max_idle: 256,
        }
    }
}

impl fmt::Debug for HttpClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClientBuilder")
            .field("http2", &self.http2)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_idle", &self.max_idle)
            .finish_non_exhaustive()
    }
}

//! A gateway on a listener: what the proxy binary starts.

use std::{
    convert::Infallible, fmt, future::Future, io, net::SocketAddr, pin::pin, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::{net::TcpListener, sync::mpsc};
use tower::{BoxError, Service};
use ziggurat::{
    Gateway,
    config::{Config, ConfigErrors, Severity},
    core::Slim,
    gateway::{Builder, Summary},
};

use crate::{
    App, Facts, Handle, Metrics, RequestLog, TlsError, TlsFiles, outer,
    reload::{Command, Live},
    serve::serve_with,
    tls::Tls,
};

/// Configurations that wait for their turn; who hands in more waits to do so.
const QUEUE: usize = 4;

/// How long running requests may go on after a shutdown was asked for, unless told otherwise. Half a minute is what
/// orchestrators commonly wait before they kill.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// The port that the LiteLLM proxy listens on.
pub const DEFAULT_PORT: u16 = 4000;

/// Where to listen, and how to end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The address to listen on. Without one: all addresses if callers need a key, else this machine only.
    pub host: Option<String>,
    /// The port; 0 takes any free one.
    pub port: u16,
    /// How long running requests may go on after a shutdown was asked for.
    pub drain: Duration,
    /// The certificate to serve TLS with; without one connections are plain.
    pub tls: Option<TlsFiles>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: None,
            port: DEFAULT_PORT,
            drain: DEFAULT_DRAIN,
            tls: None,
        }
    }
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    bound: Bound,
    gateway: Gateway,
    metrics: Arc<Metrics>,
    tls: Option<Tls>,
    drain: Duration,
    handle: Handle,
    commands: mpsc::Receiver<Command>,
}

/// Where a server listens, and why there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    /// The host was chosen by whoever started the server.
    pub(crate) host_given: bool,
}

/// Why a server cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be used.
    Config(ConfigErrors),
    /// The certificate cannot be used.
    Tls(TlsError),
    /// The address cannot be listened on.
    Listen {
        /// Host and port.
        address: String,
        /// Why.
        source: io::Error,
    },
}

impl Server {
    /// Builds the gateway of a configuration and listens. Connections queue until [`Self::run`].
    ///
    /// # Errors
    ///
    /// No deployment can be used, the certificate cannot, or the address cannot be listened on.
    pub async fn bind(config: &Config, options: &Options) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new(config));
        let gateway = observed(config, &metrics);
        let gateway = gateway.build().map_err(StartError::Config)?;
        log(gateway.summary());
        let tls = options.tls.clone().map(Tls::read).transpose();
        let tls = tls.map_err(StartError::Tls)?;
        let host = options.host.as_deref().unwrap_or(default_host(&gateway));
        let failed = |source| StartError::Listen {
            address: format!("{host}:{}", options.port),
            source,
        };
        let listener = TcpListener::bind((host, options.port))
            .await
            .map_err(failed)?;
        let bound = Bound {
            address: listener.local_addr().map_err(failed)?,
            host_given: options.host.is_some(),
        };
        let (sender, commands) = mpsc::channel(QUEUE);
        Ok(Self {
            listener,
            bound,
            gateway,
            metrics,
            tls,
            drain: options.drain,
            handle: Handle::new(sender),
            commands,
        })
    }

    /// Returns the address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.bound.address
    }

    /// Says whether everyone is served who reaches the address, from other machines, too: there is no master key.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.bound.is_open(&self.gateway)
    }

    /// Returns the gateway.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Returns what the running server can be told by.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until `shutdown` resolves, then drains. Deployments are checked meanwhile, if the configuration says so; no
    /// check outlasts the beginning of the drain.
    ///
    /// # Errors
    ///
    /// As [`serve`](crate::serve).
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let live = Live::new(
            self.gateway,
            self.metrics,
            stack,
            self.tls.clone(),
            self.bound,
        );
        let service = live.service();
        let shutdown = async move {
            let reloads = pin!(live.obey(self.commands));
            tokio::select! {
                () = shutdown => {}
                () = reloads => {}
            }
        };
        serve_with(self.listener, self.tls, service, self.drain, shutdown).await
    }
}

/// The gateway of a configuration, which counts and logs.
pub(crate) fn observed<'a>(config: &'a Config, metrics: &Arc<Metrics>) -> Builder<'a> {
    let log = RequestLog::default().metadata(&config.general.log_metadata_keys);
    Gateway::builder(config)
        .observer(Arc::clone(metrics))
        .observer(log)
}

/// All that a request goes through.
fn stack(
    gateway: Gateway,
    metrics: Arc<Metrics>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<impl Body<Data = Bytes, Error = BoxError> + Send + 'static>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ Sync
+ 'static {
    let mut facts = Facts::of(&gateway);
    facts.metrics = Some(Arc::clone(&metrics));
    let limit = gateway.config().general.max_request_bytes;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    outer(
        App::new(Slim::new(gateway), &facts),
        limit,
        facts.error_types,
    )
    .metrics(metrics)
}

/// With a key the door may be open.
pub(crate) fn default_host(gateway: &Gateway) -> &'static str {
    match has_key(gateway) {
        true => "0.0.0.0",
        false => "127.0.0.1",
    }
}

pub(crate) fn has_key(gateway: &Gateway) -> bool {
    gateway.config().general.master_key.is_some()
}

/// What the configuration deserves to be told, line by line. What settings mean is for those who ask.
pub(crate) fn log(summary: &Summary) {
    for left_out in &summary.left_out {
        tracing::error!(target: "ziggurat::server", "{left_out}");
    }
    for finding in &summary.findings {
        match finding.severity {
            Severity::Note => tracing::debug!(target: "ziggurat::server", "{finding}"),
            _ => tracing::warn!(target: "ziggurat::server", "{finding}"),
        }
    }
    let notes = summary.findings.iter();
    let notes = notes.filter(|finding| finding.severity == Severity::Note);
    match notes.count() {
        0 => {}
        notes => tracing::info!(
            target: "ziggurat::server",
            notes,
            "`check` has notes on what settings mean here, as has the log at the level debug"
        ),
    }
}

/// What someone who starts the server should know: where it listens, who may call, what it serves.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let address = self.bound.address;
        writeln!(f, "listening on {scheme}://{address}")?;
        match (has_key(&self.gateway), self.bound.host_given) {
            (true, _) => writeln!(f, "callers need the master key")?,
            (false, false) => writeln!(
                f,
                "no master key: every caller on this machine is served; --host 0.0.0.0 opens it to all others"
            )?,
            (false, true) if address.ip().is_loopback() => {
                writeln!(f, "no master key: every caller on this machine is served")?;
            }
            (false, true) => writeln!(
                f,
                "warning: no master key: everyone who reaches this address is served"
            )?,
        }
        write!(f, "{}", self.gateway.summary())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => fmt::Display::fmt(errors, f),
            Self::Tls(error) => fmt::Display::fmt(error, f),
            Self::Listen { address, .. } => write!(f, "cannot listen on {address}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Tls(error) => error.source(),
            Self::Listen { source, .. } => Some(source),
        }
    }
}

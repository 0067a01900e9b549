//! A gateway on a listener: what the proxy binary starts.

use std::{fmt, future::Future, io, net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, task::JoinSet};
use ziggurat::{
    Gateway,
    config::{Config, ConfigErrors, Severity},
    gateway::Summary,
};

use crate::{App, Facts, outer, serve};

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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: None,
            port: DEFAULT_PORT,
            drain: DEFAULT_DRAIN,
        }
    }
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    gateway: Gateway,
    facts: Facts,
    limit: usize,
    drain: Duration,
    /// The host was chosen by whoever started the server.
    host_given: bool,
}

/// Why a server cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be used.
    Config(ConfigErrors),
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
    /// No deployment can be used, or the address cannot be listened on.
    pub async fn bind(config: &Config, options: &Options) -> Result<Self, StartError> {
        let gateway = Gateway::new(config).map_err(StartError::Config)?;
        log(gateway.summary());
        let facts = Facts::of(&gateway);
        let default = if facts.master_key.is_some() {
            "0.0.0.0"
        } else {
            "127.0.0.1"
        };
        let host = options.host.as_deref().unwrap_or(default);
        let failed = |source| StartError::Listen {
            address: format!("{host}:{}", options.port),
            source,
        };
        let listener = TcpListener::bind((host, options.port))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            gateway,
            facts,
            limit: usize::try_from(config.general.max_request_bytes).unwrap_or(usize::MAX),
            drain: options.drain,
            host_given: options.host.is_some(),
        })
    }

    /// Returns the address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the gateway.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Serves until `shutdown` resolves, then drains. Deployments are checked meanwhile, if the configuration says so; no
    /// check outlasts the beginning of the drain.
    ///
    /// # Errors
    ///
    /// As [`serve`].
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let mut checks = JoinSet::new();
        for check in self.gateway.health_checks() {
            checks.spawn(check.clone().run());
        }
        let shutdown = async move {
            shutdown.await;
            // With the set, its tasks end.
            drop(checks);
        };
        let app = App::new(self.gateway, &self.facts);
        let service = outer(app, self.limit, self.facts.error_types);
        serve(self.listener, service, self.drain, shutdown).await
    }
}

/// What the configuration deserves to be told, line by line.
fn log(summary: &Summary) {
    for left_out in &summary.left_out {
        tracing::error!("{left_out}");
    }
    for finding in &summary.findings {
        match finding.severity {
            Severity::Note => tracing::info!("{finding}"),
            _ => tracing::warn!("{finding}"),
        }
    }
}

/// What someone who starts the server should know: where it listens, who may call, what it serves.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "listening on http://{}", self.address)?;
        match (&self.facts.master_key, self.host_given) {
            (Some(_), _) => writeln!(f, "callers need the master key")?,
            (None, false) => writeln!(
                f,
                "no master key: every caller on this machine is served; --host 0.0.0.0 opens it to all others"
            )?,
            (None, true) if self.address.ip().is_loopback() => {
                writeln!(f, "no master key: every caller on this machine is served")?;
            }
            (None, true) => writeln!(
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
            Self::Listen { address, .. } => write!(f, "cannot listen on {address}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Listen { source, .. } => Some(source),
        }
    }
}

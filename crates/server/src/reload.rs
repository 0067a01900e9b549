//! Another configuration for a server that runs.

use std::{collections::HashSet, fmt, future::pending, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use ziggurat::{
    Gateway,
    config::{Config, ConfigErrors},
};

use crate::{
    Metrics, TlsError,
    latest::Latest,
    server::{Bound, default_host, has_key, log, observed},
    tls::Tls,
};

/// Tells a running [`Server`](crate::Server) what to do. Clones are the same handle.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

/// What a reload has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// The number of deployments that serve.
    pub deployments: usize,
    /// The ids of those that did not before.
    pub added: Vec<String>,
    /// The ids of those that do no more.
    pub removed: Vec<String>,
    /// What takes effect at the next start only.
    pub needs_restart: Vec<String>,
}

/// Why a server goes on with what it has.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// The configuration cannot be used.
    Config(ConfigErrors),
    /// The certificate cannot be used.
    Tls(TlsError),
    /// The master key is gone, and the server listens to everyone because there was one.
    NoKey,
    /// The server has not been run, or has ended.
    NotRunning,
}

pub(crate) struct Command {
    config: Box<Config>,
    reply: oneshot::Sender<Result<Reloaded, ReloadError>>,
}

/// What a server serves at the moment.
pub(crate) struct Live<S, F> {
    gateway: Gateway,
    metrics: Arc<Metrics>,
    service: Latest<S>,
    stack: F,
    /// They end when this is dropped.
    checks: JoinSet<()>,
    tls: Option<Tls>,
    bound: Bound,
}

// === impl Handle ===

impl Handle {
    pub(crate) const fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Builds a gateway from another configuration and puts it in the place of the old one, whole or not at all.
    ///
    /// When this returns, every request that arrives goes through the new gateway, also on connections that were open
    /// before. Requests and streams that run end on the old one. Deployments of the same id keep their cooldowns, counts
    /// and learned regions, all of them the retry budget; see [`Builder::after`](ziggurat::gateway::Builder::after). The files of the certificate are
    /// read again, for connections that are made from now on.
    ///
    /// A server that does not run yet obeys when it does. Dropping the future does not call the reload off.
    ///
    /// # Errors
    ///
    /// The configuration or the certificate cannot be used, or the server has ended. It goes on as before.
    pub async fn reload(&self, config: Config) -> Result<Reloaded, ReloadError> {
        let (reply, done) = oneshot::channel();
        let config = Box::new(config);
        let sent = self.commands.send(Command { config, reply }).await;
        sent.map_err(|_| ReloadError::NotRunning)?;
        done.await.unwrap_or(Err(ReloadError::NotRunning))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").finish_non_exhaustive()
    }
}

// === impl Live ===

impl<S, F> Live<S, F>
where
    S: Clone,
    F: Fn(Gateway, Arc<Metrics>) -> S,
{
    pub(crate) fn new(
        gateway: Gateway,
        metrics: Arc<Metrics>,
        stack: F,
        tls: Option<Tls>,
        bound: Bound,
    ) -> Self {
        Self {
            service: Latest::new(stack(gateway.clone(), Arc::clone(&metrics))),
            checks: checks(&gateway),
            gateway,
            metrics,
            stack,
            tls,
            bound,
        }
    }

    pub(crate) fn service(&self) -> Latest<S> {
        self.service.clone()
    }

    /// Does what it is told; never ends.
    pub(crate) async fn obey(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(Command { config, reply }) = commands.recv().await {
            // Whoever asked may have gone; the server's own log says what came of it.
            let _ = reply.send(self.reload(&config));
        }
        pending().await
    }

    fn reload(&mut self, config: &Config) -> Result<Reloaded, ReloadError> {
        let metrics = Arc::new(self.metrics.after(config));
        let gateway = observed(config, &metrics)
            .after(&self.gateway)
            .build()
            .map_err(ReloadError::Config)?;
        let needs_restart = self.bound.differences(&gateway)?;
        let tls = self.tls.as_ref().map(Tls::read_again).transpose();
        let tls = tls.map_err(ReloadError::Tls)?;
        let was_open = self.bound.is_open(&self.gateway);
        // From here on nothing can fail.
        let reloaded = Reloaded {
            needs_restart,
            ..Reloaded::between(&self.gateway, &gateway)
        };
        let service = (self.stack)(gateway.clone(), Arc::clone(&metrics));
        self.service.replace(service);
        self.metrics = metrics;
        if let (Some(live), Some(read)) = (&self.tls, tls) {
            live.put(read);
        }
        self.checks = checks(&gateway);
        let ids = ids(&gateway);
        gateway.board().retain(|id| ids.contains(id.as_str()));
        log(gateway.summary());
        reloaded.log();
        if !was_open && self.bound.is_open(&gateway) {
            tracing::warn!(target: "ziggurat::server", "no master key any more: everyone who reaches this address is served");
        }
        self.gateway = gateway;
        Ok(reloaded)
    }
}

/// Begins the checks that are to run beside a gateway.
fn checks(gateway: &Gateway) -> JoinSet<()> {
    let mut checks = JoinSet::new();
    for check in gateway.health_checks() {
        checks.spawn(check.clone().run());
    }
    checks
}

fn ids(gateway: &Gateway) -> HashSet<&str> {
    let groups = gateway.summary().groups.iter();
    let deployments = groups.flat_map(|group| &group.deployments);
    deployments.map(|(id, ..)| id.as_str()).collect()
}

// === impl Bound ===

impl Bound {
    /// Whether everyone who reaches the address is served, from other machines, too.
    pub(crate) fn is_open(self, gateway: &Gateway) -> bool {
        !self.address.ip().is_loopback() && !has_key(gateway)
    }

    /// Says what another gateway would need another listener for.
    fn differences(self, gateway: &Gateway) -> Result<Vec<String>, ReloadError> {
        let (is_local, has_key) = (self.address.ip().is_loopback(), has_key(gateway));
        match (self.host_given, is_local, has_key) {
            (false, false, false) => Err(ReloadError::NoKey),
            (false, true, true) => {
                let host = default_host(gateway);
                let note =
                    format!("the host: with a master key it is {host} from the next start on");
                Ok(vec![note])
            }
            _ => Ok(Vec::new()),
        }
    }
}

// === impl Reloaded ===

impl Reloaded {
    fn between(old: &Gateway, new: &Gateway) -> Self {
        let (before, now) = (ids(old), ids(new));
        let missing = |all: &HashSet<&str>, from: &HashSet<&str>| {
            let mut missing: Vec<_> = all.difference(from).map(|id| (*id).to_owned()).collect();
            missing.sort();
            missing
        };
        Self {
            deployments: now.len(),
            added: missing(&now, &before),
            removed: missing(&before, &now),
            needs_restart: Vec::new(),
        }
    }

    fn log(&self) {
        tracing::info!(
            target: "ziggurat::server",
            deployments = self.deployments,
            added = self.added.len(),
            removed = self.removed.len(),
            "the configuration was reloaded"
        );
        for what in &self.needs_restart {
            tracing::warn!(target: "ziggurat::server", "needs a restart: {what}");
        }
    }
}

// === impl ReloadError ===

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => fmt::Display::fmt(errors, f),
            Self::Tls(error) => fmt::Display::fmt(error, f),
            Self::NoKey => f.write_str(
                "the configuration has no master key any more, and the server listens to everyone because it had one: \
                 give --host, or restart",
            ),
            Self::NotRunning => f.write_str("the server does not run"),
        }
    }
}

impl std::error::Error for ReloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => error.source(),
            _ => None,
        }
    }
}

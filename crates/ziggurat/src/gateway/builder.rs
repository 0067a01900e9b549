//! How a gateway comes to be: alone, or in the place of another.

use std::{collections::HashMap, fmt, sync::Arc};

use ziggurat_config::{Config, ConfigErrors};
use ziggurat_core::{Board, DeploymentId, Observer};
use ziggurat_provider::HttpClient;

use super::{
    Facts, Gateway, Summary, assemble, endpoint::Parts, health, kept::Kept, leaf, meaning,
};

/// Builds a [`Gateway`], with parts of one's own or with those of the gateway whose place it takes.
///
/// ```
/// use ziggurat::Gateway;
///
/// let loader = Gateway::loader(|_| None);
/// let yaml = "model_list: [{model_name: a, litellm_params: {model: openai/b, api_base: 'http://127.0.0.1:1'}}]";
/// let old = Gateway::new(&loader.from_str(yaml, "old.yaml")?)?;
/// let yaml = format!("{yaml}\nrouter_settings: {{num_retries: 5}}");
/// let new = Gateway::builder(&loader.from_str(&yaml, "new.yaml")?).after(&old).build()?;
/// // Requests that run go on with `old`; what they learn is known to `new`.
/// let id = new.summary().groups[0].deployments[0].0.as_str().into();
/// assert!(std::sync::Arc::ptr_eq(&old.board().vitals(&id), &new.board().vitals(&id)));
/// # Ok::<(), ziggurat::config::ConfigErrors>(())
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until it is built"]
pub struct Builder<'a> {
    config: &'a Config,
    client: Option<HttpClient>,
    board: Board,
    kept: Arc<Kept>,
    observers: Vec<Arc<dyn Observer>>,
}

// === impl Builder ===

impl<'a> Builder<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self {
            config,
            client: None,
            board: Board::new(),
            kept: Arc::default(),
            observers: Vec::new(),
        }
    }

    /// Takes the connections of `client`. Without this, the gateway has some of its own, made as the configuration says.
    pub fn client(mut self, client: HttpClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Takes what `board` knows of the deployments' health and load.
    pub fn board(mut self, board: Board) -> Self {
        self.board = board;
        self
    }

    /// Goes on where another gateway stands. Deployments of the same id keep their cooldowns and the failures that count
    /// towards one, their calls in flight, what the minute has seen, their latencies, the verdicts of health checks and the
    /// region that they have named. A retry budget of the same settings is kept as well. So are connections, with the tokens
    /// that were fetched over them, unless either configuration takes proxies from the environment.
    ///
    /// Both share that state from now on; the other is not changed otherwise, and may be in use.
    pub fn after(mut self, other: &Gateway) -> Self {
        let direct = |config: &Config| !config.settings.use_proxy_env;
        if direct(self.config) && direct(other.config()) {
            self.client = Some(other.facts.client.clone());
        }
        self.board = other.board().clone();
        self.kept = Arc::clone(&other.facts.kept);
        self
    }

    /// Tells `observer` of all attempts and requests, beside those that were given before. Those of another gateway are
    /// not taken over.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Builds the stack.
    ///
    /// # Errors
    ///
    /// No deployment is left: the providers of all are unknown here, or their parameters unusable.
    pub fn build(self) -> Result<Gateway, ConfigErrors> {
        let config = self.config;
        let client = self.client.unwrap_or_else(|| client(config));
        let observer: Option<Arc<dyn Observer>> = match &*self.observers {
            [] => None,
            [one] => Some(Arc::clone(one)),
            _ => Some(Arc::new(self.observers)),
        };
        let mut parts = HashMap::new();
        let mut keyless = Vec::new();
        let mut usable = config.clone();
        usable.retain(|deployment| {
            let leaf =
                leaf::build(config, deployment, &client).map_err(|error| error.to_string())?;
            keyless.extend(meaning::keyless(config, deployment, &leaf));
            let id = &deployment.id;
            let vitals = self.board.vitals(&DeploymentId::from(id.as_str()));
            parts.insert(
                id.clone(),
                Parts::new(
                    config,
                    deployment,
                    leaf,
                    vitals,
                    &self.kept,
                    observer.as_ref(),
                ),
            );
            Ok(())
        })?;
        usable.findings.append(&mut keyless);
        usable.findings.extend(meaning::of(&usable));
        let probes: Arc<[_]> = health::checks(&usable, &parts).into();
        let background = probes.iter().filter(|check| check.is_background());
        let budget = self.kept.budget(&usable);
        let stack = assemble::stack(&usable, &parts, budget.clone(), observer.as_ref());
        let facts = Facts {
            summary: Summary::of(&usable),
            checks: background.cloned().collect(),
            kept: Arc::new(Kept::of(&usable, &parts, budget)),
            config: Arc::new(usable),
            board: self.board,
            probes,
            client,
        };
        Ok(Gateway {
            stack,
            facts: Arc::new(facts),
        })
    }
}

impl fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

fn client(config: &Config) -> HttpClient {
    let mut client = HttpClient::builder();
    if config.settings.use_proxy_env {
        client = client.proxy_environment(|name| config.env(name));
    }
    client.build()
}

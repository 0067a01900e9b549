//! A whole stack, built from a configuration.

mod fallbacks;
mod leaf;
mod summary;

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_balance::{Balance, Endpoint};
use ziggurat_config::{Config, ConfigErrors, Deployment, ForwardClientHeaders, Loader};
use ziggurat_core::{BoxError, ModelGroup, Open};
use ziggurat_edge::{
    Envelope, EnvelopeLayer, ErrorTypes, Respond, RespondLayer,
    respond::{ResponseBody as Answered, ResponseFuture as Answering},
};
use ziggurat_fallback::{Fallback, FallbackLayer};
use ziggurat_provider::{HttpClient, ProviderBody, ProviderService};
use ziggurat_retry::{Retry, RetryLayer};
use ziggurat_router::Router;
use ziggurat_timeout::{ResponseBody as Timed, Timeout, TimeoutLayer};

pub use self::summary::{GroupSummary, Summary};

/// One deployment: `Timeout · Open · ProviderService`.
type Leaf = Timeout<Open<ProviderService>>;
/// One group: `Retry · Balance · [deployment]`.
type Group = Retry<Balance<Leaf>>;
/// The whole: `Respond · Envelope · Fallback · Router · [group]`.
type Stack = Respond<Envelope<Fallback<Router<Group>>>>;

/// The body of a gateway's responses.
pub type Body = Answered<Timed<ProviderBody>>;

/// The future of a [`Gateway`] that is called with a body of type `B`.
pub type ResponseFuture<B> =
    Answering<<Envelope<Fallback<Router<Group>>> as Service<Request<B>>>::Future>;

/// The whole stack of a configuration, as one service.
///
/// Takes a request of OpenAI's chat API with any body, whatever its path; never fails, for every failure is a response.
/// Cloning counts references; clones share connections and state.
#[derive(Clone)]
pub struct Gateway {
    stack: Stack,
    summary: Arc<Summary>,
}

impl Gateway {
    /// Builds the stack of a configuration, with connections of its own.
    ///
    /// # Errors
    ///
    /// No deployment is left: the providers of all are unknown here, or their parameters unusable.
    pub fn new(config: &Config) -> Result<Self, ConfigErrors> {
        let mut client = HttpClient::builder();
        if config.settings.use_proxy_env {
            client = client.proxy_environment(|name| config.env(name));
        }
        let client = client.build();
        Self::with_client(config, &client)
    }

    /// The same with the connections of `client`.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_client(config: &Config, client: &HttpClient) -> Result<Self, ConfigErrors> {
        let mut config = config.clone();
        let mut leaves = HashMap::new();
        let mut seen = config.clone();
        seen.retain(|deployment| {
            let leaf = leaf::build(&config, deployment, client)?;
            leaves.insert(deployment.id.clone(), leaf);
            Ok(())
        })?;
        config = seen;
        let summary = Arc::new(Summary::of(&config));
        let stack = respond(&config)
            .layer(envelope(&config).layer(fallback(&config).layer(router(&config, &leaves))));
        Ok(Self { stack, summary })
    }

    /// A reader of configurations that knows which environment variables the providers built here fall back on.
    #[must_use]
    pub fn loader(env: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Loader {
        Loader::new(env).env_defaults(leaf::env_defaults)
    }

    /// Returns what is served: groups, deployments, and what was left out.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

impl<B> Service<Request<B>> for Gateway
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.stack, cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        self.stack.call(req)
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

/// How a configuration wants errors named.
#[must_use]
pub fn error_types(config: &Config) -> ErrorTypes {
    match config.general.error_types {
        ziggurat_config::ErrorTypes::OpenAi => ErrorTypes::OpenAi,
        _ => ErrorTypes::Litellm,
    }
}

fn respond(config: &Config) -> RespondLayer {
    RespondLayer::new()
        .error_types(error_types(config))
        .expose_fallback_errors(config.general.expose_fallback_errors)
}

fn envelope(config: &Config) -> EnvelopeLayer {
    let limit = usize::try_from(config.general.max_request_bytes).unwrap_or(usize::MAX);
    let layer = EnvelopeLayer::new()
        .accept_overrides(true)
        .require("messages")
        .limit(limit);
    match &config.general.forward_client_headers {
        ForwardClientHeaders::Custom => layer.forward_custom_headers(true),
        ForwardClientHeaders::Listed(names) => {
            layer.forward_headers(names.iter().filter_map(|name| name.parse().ok()))
        }
        _ => layer,
    }
}

fn fallback(config: &Config) -> FallbackLayer {
    let tables = fallbacks::tables(config);
    let mut layer = FallbackLayer::new(tables.general).max_fallbacks(config.settings.max_fallbacks);
    if !tables.context_window.is_empty() {
        layer = layer.context_window(tables.context_window);
    }
    if !tables.content_policy.is_empty() {
        layer = layer.content_policy(tables.content_policy);
    }
    match attempt_cap(config) {
        Some(attempts) => layer.max_attempts_per_request(attempts),
        None => layer,
    }
}

fn router(config: &Config, leaves: &HashMap<String, ProviderService>) -> Router<Group> {
    let mut retry =
        RetryLayer::new(config.settings.num_retries).min_delay(config.settings.retry_after);
    if let Some(attempts) = attempt_cap(config) {
        retry = retry.max_attempts_per_request(attempts);
    }
    let mut groups: Vec<(ModelGroup, Vec<Endpoint<Leaf>>)> = Vec::new();
    for deployment in &config.deployments {
        let Some(leaf) = leaves.get(&deployment.id) else {
            continue;
        };
        let endpoint = endpoint(config, deployment, leaf.clone());
        match groups
            .iter_mut()
            .find(|(group, _)| group.as_str() == deployment.model_name)
        {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => groups.push((deployment.model_name.as_str().into(), vec![endpoint])),
        }
    }
    // A deployment can be asked for by its id, where no group has that name.
    let ids = config
        .deployments
        .iter()
        .filter(|d| groups.iter().all(|(group, _)| group.as_str() != d.id));
    let ids = ids.filter_map(|d| {
        Some((
            d.id.as_str().into(),
            vec![endpoint(config, d, leaves.get(&d.id)?.clone())],
        ))
    });
    let ids: Vec<_> = ids.collect();
    let groups = groups.into_iter().chain(ids);
    let groups = groups.map(|(group, endpoints)| (group, retry.layer(Balance::new(endpoints))));
    config
        .aliases
        .iter()
        .fold(Router::new(groups), |router, alias| {
            router.with_alias(alias.name.as_str(), alias.group.as_str())
        })
}

fn endpoint(config: &Config, deployment: &Deployment, leaf: ProviderService) -> Endpoint<Leaf> {
    let timeout = TimeoutLayer::new(config.settings.timeout_for(deployment))
        .stream(config.settings.stream_timeout_for(deployment));
    let mut endpoint = Endpoint::new(deployment.id.as_str(), timeout.layer(Open::new(leaf)));
    if let Some(weight) = deployment.weight {
        endpoint = endpoint.weight(weight);
    }
    if let Some(rpm) = deployment.rpm {
        endpoint = endpoint.rpm(rpm);
    }
    if let Some(tpm) = deployment.tpm {
        endpoint = endpoint.tpm(tpm);
    }
    // Deployments at one address share its limits.
    if let Some(api_base) = &deployment.api_base {
        endpoint = endpoint.origin(api_base.as_str());
    }
    match deployment.num_retries {
        Some(retries) => endpoint.max_retries(retries),
        None => endpoint,
    }
}

/// Attempts of one request over all groups: the first and `num_retries_per_request` more.
fn attempt_cap(config: &Config) -> Option<usize> {
    config
        .settings
        .num_retries_per_request
        .map(|retries| retries as usize + 1)
}

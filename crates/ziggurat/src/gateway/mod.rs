//! A whole stack, built from a configuration.

mod assemble;
mod builder;
mod check;
mod endpoint;
mod fallbacks;
mod group;
mod groups;
mod health;
mod kept;
mod leaf;
mod meaning;
mod notes;
mod summary;
mod table;

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;
use ziggurat_balance::{Balance, ResponseBody as Counted, Strategy};
use ziggurat_config::{Config, ConfigErrors, Loader};
use ziggurat_context_window::{ContextWindowFilter, Precount};
use ziggurat_cooldown::{Cooldown, ResponseBody as Judged};
use ziggurat_core::{Board, BoxError, ByStatus, JsonBody, Slim};
use ziggurat_edge::{
    CatchPanic, EarlyHead, Envelope, ErrorTypes, Fanout, Respond,
    catch_panic::ResponseBody as Caught,
    early_head::ResponseBody as Early,
    fanout::ResponseBody as Fanned,
    respond::{ResponseBody as Answered, ResponseFuture as Answering},
};
use ziggurat_fallback::{Fallback, ResponseBody as Recovered};
use ziggurat_observe::{Observe, ObserveLayer, ResponseBody as Observed};
use ziggurat_provider::{HttpClient, ProviderBody, ProviderService};
use ziggurat_region::RegionFilter;
use ziggurat_retry::Retry;
use ziggurat_router::Router;
use ziggurat_stream_timeout::{ResponseBody as Watched, StreamTimeout};
use ziggurat_timeout::{ResponseBody as Timed, Timeout, TotalTimeout};

use self::kept::Kept;

pub use self::{
    builder::Builder,
    check::{Report, check},
    health::HealthCheck,
    summary::{GroupSummary, Summary, shown},
};

/// What a deployment is sent: `Cooldown · StreamTimeout · Timeout · ProviderService`.
type Sent = Cooldown<StreamTimeout<Timeout<ProviderService>>>;
/// One deployment: `Region · ContextWindow · Observe · Cooldown · …`.
type Leaf = Slim<RegionFilter<ContextWindowFilter<Observe<Sent>>>>;
/// One group: `Retry · Balance · [deployment]`.
type Group = Retry<Balance<Leaf, Strategy>>;
/// What is behind the door: `TotalTimeout · Precount · Fallback · Router · [group]`.
type Inside = TotalTimeout<Precount<Fallback<Router<Group>>>>;
/// The whole: `Respond · Observe · CatchPanic · Envelope · EarlyHead · Fanout · TotalTimeout · Precount · Fallback · Router · [group]`.
type Stack = Respond<Door>;
/// The part whose failures are answered by `Respond`.
type Door = Observe<CatchPanic<Envelope<EarlyHead<Behind>>>>;
/// The part whose answers a client may have to wait for.
type Behind = Fanout<Inside, ObserveLayer>;

/// The body of a gateway's responses.
pub type Body = Answered<Observed<Caught<Early<Waited, Fanned<Whole, Observed<Whole>>>>>>;

type Waited = <Behind as Service<Request<JsonBody>>>::Future;

type Whole = Timed<Recovered<Router<Group>, JsonBody, Counted<Attempted>, ByStatus>>;

type Attempted = Pin<Box<Observed<Judged<Watched<Timed<ProviderBody>>>>>>;

/// The future of a [`Gateway`] that is called with a body of type `B`.
pub type ResponseFuture<B> = Answering<<Door as Service<Request<B>>>::Future>;

/// The whole stack of a configuration, as one service.
///
/// Takes a request of OpenAI's API for chat, legacy completions, embeddings or responses, or of Anthropic's for messages,
/// with any body; a path that is none of theirs is taken for chat. Messages need the feature `anthropic`. Never fails, for every failure is a response.
/// Cloning counts references; clones share connections and state.
#[derive(Clone)]
pub struct Gateway {
    stack: Stack,
    // Apart, and shared as one: servers clone a gateway for each request.
    facts: Arc<Facts>,
}

/// What a gateway knows of itself.
struct Facts {
    config: Arc<Config>,
    summary: Summary,
    board: Board,
    checks: Arc<[HealthCheck]>,
    probes: Arc<[HealthCheck]>,
    client: HttpClient,
    kept: Arc<Kept>,
}

impl Gateway {
    /// Builds the stack of a configuration, with connections of its own.
    ///
    /// # Errors
    ///
    /// No deployment is left: the providers of all are unknown here, or their parameters unusable.
    pub fn new(config: &Config) -> Result<Self, ConfigErrors> {
        Self::builder(config).build()
    }

    /// The same with the connections of `client`.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_client(config: &Config, client: &HttpClient) -> Result<Self, ConfigErrors> {
        Self::builder(config).client(client.clone()).build()
    }

    /// The same with what is known already of the deployments' health and load, as another gateway's
    /// [`board`](Self::board) has it. [`Builder::after`] takes over all that another gateway knows.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_board(
        config: &Config,
        client: &HttpClient,
        board: Board,
    ) -> Result<Self, ConfigErrors> {
        Self::builder(config)
            .client(client.clone())
            .board(board)
            .build()
    }

    /// Starts to build the stack of a configuration from parts of one's own, or from those of another gateway.
    pub fn builder(config: &Config) -> Builder<'_> {
        Builder::new(config)
    }

    /// Returns the configuration, without the deployments that cannot serve.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.facts.config
    }

    /// Returns the health and the load of all deployments.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.facts.board
    }

    /// Returns the checks of deployments that are to run beside the gateway: none unless the configuration has
    /// `background_health_checks`. They share the gateway's state; whoever serves it spawns each [`HealthCheck::run`].
    #[must_use]
    pub fn health_checks(&self) -> &[HealthCheck] {
        &self.facts.checks
    }

    /// Returns a check of every deployment that can be asked, whether or not it runs in the background: for a look at
    /// the moment, see [`HealthCheck::check`].
    #[must_use]
    pub fn probes(&self) -> &[HealthCheck] {
        &self.facts.probes
    }

    /// A reader of configurations that knows which environment variables the providers built here fall back on.
    #[must_use]
    pub fn loader(env: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Loader {
        Loader::new(env).env_defaults(leaf::env_defaults)
    }

    /// Returns what is served: groups, deployments, and what was left out.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.facts.summary
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
            .field("summary", &self.facts.summary)
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

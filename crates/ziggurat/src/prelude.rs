//! All that a stack is put together from: `use ziggurat::prelude::*;`.
//!
//! The layers whose features are on, the words of core that stand in signatures, and the traits whose methods are called
//! on a stack: tower's [`Layer`] and [`Service`].
//!
//! Names of layers and of their services are those of the crates. `Timeout` and `Retry` are ours: who also imports
//! tower's names them by their path.

pub use tower_layer::Layer;
pub use tower_service::Service;

pub use ziggurat_core::{
    Admit, BoxBody, BoxError, BoxLayer, BoxService, ByStatus, Classify, DeploymentId, Failure,
    FailureKind, GrpcStatus, JsonBody, ModelGroup, Observer, Open, Rejection, Tried, Vitals,
    fallbacks, overrides,
};

#[cfg(feature = "balance")]
pub use ziggurat_balance::{Balance, Candidate, Endpoint, Pick, Shuffle};
#[cfg(feature = "context-window")]
pub use ziggurat_context_window::{
    ContextWindowFilter, ContextWindowFilterLayer, CountTokens, Precount, PrecountLayer, Window,
};
#[cfg(feature = "cooldown")]
pub use ziggurat_cooldown::{Breaker, Cooldown, CooldownLayer, Rules};
#[cfg(feature = "edge")]
pub use ziggurat_edge::{Envelope, EnvelopeLayer, Respond, RespondLayer};
#[cfg(feature = "fallback")]
pub use ziggurat_fallback::{Fallback, FallbackLayer};
#[cfg(feature = "observe")]
pub use ziggurat_observe::{Observe, ObserveLayer};
#[cfg(feature = "provider")]
pub use ziggurat_provider::{Dialect, HttpClient, ProviderService};
#[cfg(feature = "region")]
pub use ziggurat_region::{RegionFilter, RegionFilterLayer};
#[cfg(feature = "retry")]
pub use ziggurat_retry::{Retry, RetryLayer};
#[cfg(feature = "router")]
pub use ziggurat_router::Router;
#[cfg(feature = "stream-timeout")]
pub use ziggurat_stream_timeout::{StreamTimeout, StreamTimeoutLayer};
#[cfg(feature = "timeout")]
pub use ziggurat_timeout::{Timeout, TimeoutLayer, TotalTimeout, TotalTimeoutLayer};

#[cfg(feature = "config")]
pub use crate::Gateway;

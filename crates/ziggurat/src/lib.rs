#![doc = include_str!("../README.md")]

#[cfg(feature = "config")]
pub mod gateway;
pub mod prelude;

#[cfg(feature = "anthropic")]
pub use ziggurat_anthropic as anthropic;
#[cfg(feature = "balance")]
pub use ziggurat_balance as balance;
#[cfg(feature = "bedrock")]
pub use ziggurat_bedrock as bedrock;
#[cfg(feature = "config")]
pub use ziggurat_config as config;
#[cfg(feature = "context-window")]
pub use ziggurat_context_window as context_window;
#[cfg(feature = "cooldown")]
pub use ziggurat_cooldown as cooldown;
pub use ziggurat_core as core;
#[cfg(feature = "edge")]
pub use ziggurat_edge as edge;
#[cfg(feature = "fallback")]
pub use ziggurat_fallback as fallback;
#[cfg(feature = "config")]
pub use ziggurat_models as models;
#[cfg(feature = "observe")]
pub use ziggurat_observe as observe;
#[cfg(feature = "openai")]
pub use ziggurat_openai as openai;
#[cfg(feature = "provider")]
pub use ziggurat_provider as provider;
#[cfg(feature = "region")]
pub use ziggurat_region as region;
#[cfg(feature = "retry")]
pub use ziggurat_retry as retry;
#[cfg(feature = "router")]
pub use ziggurat_router as router;
#[cfg(feature = "stream-timeout")]
pub use ziggurat_stream_timeout as stream_timeout;
#[cfg(feature = "timeout")]
pub use ziggurat_timeout as timeout;
#[cfg(feature = "vertex")]
pub use ziggurat_vertex as vertex;
#[cfg(feature = "watsonx")]
pub use ziggurat_watsonx as watsonx;

#[cfg(feature = "config")]
pub use self::gateway::Gateway;

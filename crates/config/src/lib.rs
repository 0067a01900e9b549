#![doc = include_str!("../README.md")]

mod config;
mod deployment;
mod document;
mod environment;
mod excerpt;
mod fallback;
mod finding;
mod id;
mod include;
mod keys;
mod loader;
mod location;
mod meaning;
mod names;
mod places;
mod scalar;
mod schema;
mod secret;
mod section;
mod settings;
mod text;
mod tree;
mod yaml;

pub use config::Config;
pub use deployment::{Deployment, LeftOut, ProviderParams};
pub use excerpt::{Excerpt, lines};
pub use fallback::{Alias, FallbackTable, FallbackTarget, Fallbacks};
pub use finding::{ConfigErrors, Finding, Severity};
pub use loader::{Inspection, Loader};
pub use location::Location;
pub use schema::schema;
pub use secret::Secret;
pub use settings::{
    AllowedFailsPolicy, BalanceSettings, CooldownSettings, ErrorTypes, ForwardClientHeaders,
    GeneralSettings, HealthSettings, RegionSettings, RetryBudget, RetryPolicy, RoutingGroup,
    Settings, Strategy, StrategyArgs, StreamCommit, StreamRecovery,
};

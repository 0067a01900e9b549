#![doc = include_str!("../README.md")]

mod config;
mod deployment;
mod document;
mod environment;
mod fallback;
mod finding;
mod id;
mod keys;
mod location;
mod places;
mod scalar;
mod secret;
mod section;
mod settings;
mod tree;
mod yaml;

pub use config::{Config, Loader};
pub use deployment::{Deployment, LeftOut, ProviderParams};
pub use fallback::{Alias, FallbackTable, FallbackTarget, Fallbacks};
pub use finding::{ConfigErrors, Finding, Severity};
pub use location::Location;
pub use secret::Secret;
pub use settings::{
    AllowedFailsPolicy, BalanceSettings, CooldownSettings, ErrorTypes, ForwardClientHeaders,
    GeneralSettings, HealthSettings, RegionSettings, RetryBudget, RetryPolicy, RoutingGroup,
    Settings, Strategy, StrategyArgs,
};

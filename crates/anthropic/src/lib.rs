#![doc = include_str!("../README.md")]

mod answer;
mod builder;
mod dialect;
mod event;
mod exchange;
mod failure;
mod finish;
mod messages;
mod native;
mod object;
mod request;
mod stream;
mod template;
mod usage;

pub use self::{
    builder::Builder,
    dialect::Anthropic,
    messages::{Counter, Messages},
};
pub use ziggurat_provider::ConfigError;

#![doc = include_str!("../README.md")]

mod answer;
mod aws;
mod builder;
mod claude;
mod dialect;
mod exchange;
mod failure;
mod frames;
mod model;
mod request;
mod stream;
mod usage;

pub use self::{builder::Builder, claude::Claude, dialect::Bedrock};
pub use ziggurat_provider::ConfigError;

#![doc = include_str!("../README.md")]

mod answer;
mod aws;
mod builder;
mod dialect;
mod exchange;
mod failure;
mod frames;
mod model;
mod request;
mod stream;
mod usage;

pub use self::{builder::Builder, dialect::Bedrock};
pub use ziggurat_provider::ConfigError;

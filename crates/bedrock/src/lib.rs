#![doc = include_str!("../README.md")]

mod answer;
mod aws;
mod builder;
mod dialect;
mod error;
mod exchange;
mod failure;
mod frames;
mod model;
mod request;
mod stream;
mod usage;

pub use self::{builder::Builder, dialect::Bedrock, error::ConfigError};

#![doc = include_str!("../README.md")]

mod builder;
mod chat;
mod dialect;
mod exchange;
mod failure;
mod finish;
mod generation;
mod head;
mod messages;
mod prompt;
mod stream;
mod template;
mod token;
mod tools;
mod url;

pub use self::{builder::Builder, dialect::Watsonx};
pub use ziggurat_provider::ConfigError;

#![doc = include_str!("../README.md")]

mod builder;
mod choices;
mod chunk;
mod dialect;
mod entra;
mod exchange;
mod failure;
mod finish;
mod json_tool;
mod length;
mod limits;
mod memo;
mod messages;
mod reasoning;
mod responses;
mod router;
mod schema;
mod spans;
mod stream;
mod template;
mod tools;
mod url;
mod usage;

pub use self::{
    builder::Builder,
    dialect::{Face, OpenAi},
};
pub use ziggurat_provider::ConfigError;

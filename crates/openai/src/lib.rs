#![doc = include_str!("../README.md")]

mod builder;
mod dialect;
mod error;
mod exchange;
mod failure;
mod finish;
mod memo;
mod messages;
mod reasoning;
mod reserved;
mod spans;
mod stream;
mod template;
mod url;

pub use self::{
    builder::Builder,
    dialect::{Face, OpenAi},
    error::ConfigError,
};

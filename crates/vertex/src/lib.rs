#![doc = include_str!("../README.md")]

mod answer;
mod auth;
mod builder;
mod dialect;
mod failure;
mod guarded;
mod model;
mod names;
mod partner;
mod request;
mod template;
mod text;
mod url;

pub use self::{
    builder::Builder,
    dialect::{Face, Vertex},
    partner::{Partner, PartnerBuilder},
};
pub use ziggurat_provider::ConfigError;

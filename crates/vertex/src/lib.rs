#![doc = include_str!("../README.md")]

mod answer;
mod auth;
mod builder;
mod dialect;
mod error;
mod failure;
mod guarded;
mod inline;
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
    error::ConfigError,
    partner::{Partner, PartnerBuilder},
};

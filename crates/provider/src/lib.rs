#![doc = include_str!("../README.md")]

mod base64;
mod body;
mod client;
mod collect;
mod connect;
pub mod credentials;
mod decode;
mod dialect;
mod error;
pub mod events;
mod future;
#[cfg(feature = "decompression")]
mod gunzip;
mod headers;
pub mod inline;
mod local;
mod mock;
pub mod names;
mod network;
pub mod params;
pub mod phrases;
pub mod reason;
pub mod redact;
mod reuse;
mod service;
pub mod settings;
mod shared;
mod span;
pub mod sse;
mod talk;
pub mod thinking;
mod transport;
mod upload;
pub mod usage;
mod whole;

pub use self::{
    base64::is_base64,
    body::ProviderBody,
    client::{HttpClient, HttpClientBuilder},
    dialect::{Answer, Authorized, Call, Dialect, Exchange, Excused, Outgoing, Streamed},
    error::ConfigError,
    future::ResponseFuture,
    headers::{host_header, is_of_transport},
    local::LocalAnswer,
    service::ProviderService,
};

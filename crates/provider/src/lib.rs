#![doc = include_str!("../README.md")]

mod body;
mod client;
mod collect;
mod connect;
pub mod credentials;
mod decode;
mod dialect;
mod future;
mod headers;
pub mod params;
pub mod phrases;
pub mod redact;
mod service;
mod span;
pub mod sse;
mod transport;

pub use self::{
    body::ProviderBody,
    client::{HttpClient, HttpClientBuilder},
    dialect::{Answer, Authorized, Call, Dialect, Exchange, Excused, Outgoing, Streamed},
    future::ResponseFuture,
    headers::is_of_transport,
    service::ProviderService,
};

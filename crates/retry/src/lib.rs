#![doc = include_str!("../README.md")]

mod backoff;
mod counts;
pub mod future;
mod layer;
mod policy;
mod progress;
mod service;
mod visits;

pub use self::{counts::RetryPolicy, layer::RetryLayer, service::Retry};

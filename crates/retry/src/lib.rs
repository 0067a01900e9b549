#![doc = include_str!("../README.md")]

mod backoff;
pub mod future;
mod layer;
mod policy;
mod progress;
mod service;
mod visits;

pub use self::{layer::RetryLayer, service::Retry};

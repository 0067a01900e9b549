#![doc = include_str!("../README.md")]

pub mod body;
pub mod error;
pub mod future;
mod layer;
mod limits;
mod service;
mod timer;
mod total;

pub use self::{
    body::ResponseBody,
    error::Elapsed,
    layer::TimeoutLayer,
    service::Timeout,
    total::{TotalTimeout, TotalTimeoutLayer},
};

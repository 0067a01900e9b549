#![doc = include_str!("../README.md")]

pub mod body;
mod clock;
pub mod detect;
pub mod error;
pub mod future;
mod layer;
mod limits;
mod peek;
mod service;
mod silence;
mod whole;

pub use self::{
    body::ResponseBody,
    detect::{ByContentType, Detect, Found, Scan},
    error::{Elapsed, Limit},
    future::MAX_HELD,
    layer::StreamTimeoutLayer,
    service::StreamTimeout,
    whole::{MAX_WHOLE, StreamCommit},
};

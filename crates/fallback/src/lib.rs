#![doc = include_str!("../README.md")]

mod asking;
pub mod body;
pub mod future;
mod layer;
mod policy;
mod recovery;
mod service;
mod walk;

pub use self::{
    body::ResponseBody,
    layer::FallbackLayer,
    recovery::{MAX_KEPT, StreamRecovery},
    service::Fallback,
};

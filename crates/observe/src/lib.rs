#![doc = include_str!("../README.md")]

mod body;
pub mod future;
mod layer;
mod service;
mod watch;

pub use self::{body::ResponseBody, layer::ObserveLayer, service::Observe};

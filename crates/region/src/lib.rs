#![doc = include_str!("../README.md")]

mod areas;
pub mod error;
pub mod future;
pub mod infer;
mod layer;
mod learned;
mod name;
mod rules;
mod service;

pub use self::{error::NotAllowed, layer::RegionFilterLayer, service::RegionFilter};

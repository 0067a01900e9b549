#![doc = include_str!("../README.md")]

pub mod future;
mod layer;
mod policy;
mod service;
mod walk;

pub use self::{layer::FallbackLayer, service::Fallback};

#![doc = include_str!("../README.md")]

pub mod error;
pub mod future;
mod service;

pub use self::service::Router;

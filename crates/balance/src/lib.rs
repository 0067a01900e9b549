#![doc = include_str!("../README.md")]

mod call;
mod candidates;
mod endpoint;
pub mod future;
mod pick;
mod queue;
mod ranking;
mod refusal;
mod service;
mod shuffle;

pub use self::{
    endpoint::Endpoint,
    pick::{Candidate, Pick},
    service::Balance,
    shuffle::Shuffle,
};

/// The target of every event and span of this crate.
const TARGET: &str = "ziggurat::balance";

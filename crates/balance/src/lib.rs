#![doc = include_str!("../README.md")]

mod body;
mod call;
mod candidates;
mod choose;
mod cost_based;
mod demand;
mod endpoint;
pub mod future;
mod guess;
mod job;
mod latency_based;
mod least_busy;
mod left;
mod levels;
mod options;
mod peak_ewma;
mod pick;
mod pool;
mod queue;
mod random;
mod ranking;
mod refusal;
mod rest;
mod service;
mod shuffle;
mod slots;
mod strategy;
mod tags;
mod usage_based;
mod wait;

pub use self::{
    body::ResponseBody,
    cost_based::CostBased,
    endpoint::Endpoint,
    latency_based::LatencyBased,
    least_busy::LeastBusy,
    options::{LimitUse, TagMatch},
    peak_ewma::PeakEwma,
    pick::{Candidate, Needs, Pick},
    pool::Pool,
    service::Balance,
    shuffle::Shuffle,
    strategy::Strategy,
    usage_based::UsageBased,
};

/// The target of every event and span of this crate.
const TARGET: &str = "ziggurat::balance";

//! The cooldown layer through its public API. Rule numbers (`R…`, `D…`) are those of the routing rules.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod admission;
mod contract;
mod deadline;
mod durations;
mod groups;
mod grpc;
mod judging;
mod model;
mod policy;
mod recovery;
mod streams;
mod support;
mod triggers;
mod wire;

//! The region filter through its public API. Rule numbers (`R…`) are those of the routing rules.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod contract;
mod infer;
mod learned;
mod matching;
mod refusals;
mod support;
mod wire;

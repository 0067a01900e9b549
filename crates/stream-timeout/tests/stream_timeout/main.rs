//! The stream timeout layer through its public API. Rule numbers (`R…`, `D…`) are those of the routing rules.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod contract;
mod detect;
mod first;
mod idle;
mod passing;
mod pieces;
mod stack;
mod support;
mod values;
mod whole;
mod wire;

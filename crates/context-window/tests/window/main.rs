//! The context window filter through its public API. Rule numbers (`R…`, `D…`) are those of the routing rules.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod bounds;
mod contract;
#[cfg(feature = "exact-tokens")]
mod exact;
mod exceeds;
mod filter;
mod memo;
mod parts;
mod precount;
mod support;
mod wire;

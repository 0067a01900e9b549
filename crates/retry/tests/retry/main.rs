//! The retry layer through its public API. Rule numbers (`R…`, `D…`) are those of the routing rules.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod contract;
mod counts;
mod kinds;
mod ledger;
mod model;
mod support;
mod waits;

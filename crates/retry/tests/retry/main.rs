//! The retry layer through its public API. Rule numbers (`R…`, `D…`) are those of the routing rules.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod beside_fallback;
mod budget;
mod contract;
mod counts;
mod deadline;
mod failover;
mod hops;
mod kinds;
mod ledger;
mod model;
mod orders;
mod passed_over;
mod policy;
mod support;
mod waits;

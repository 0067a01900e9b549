//! The retry layer through its public API. Rule numbers (`R…`, `D…`) are those of the routing rules.

mod contract;
mod counts;
mod kinds;
mod ledger;
mod model;
mod support;
mod waits;

//! The timeout layer through its public API. Rule numbers (`R…`, `D…`) are those of the routing rules.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod body;
mod contract;
mod head;
mod support;
mod total;
mod values;
mod wire;

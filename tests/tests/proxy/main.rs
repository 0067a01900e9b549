//! The proxy end to end: a configuration, scripted upstreams, real sockets on both sides.
//!
//! The clock is paused and moves by itself when all sides wait, so that times are exact and nothing is slow.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod anthropic;
mod assembly;
mod bedrock;
mod bodies;
mod cooldowns;
mod curl;
mod docs;
mod edges;
mod encoded;
mod endings;
mod fields;
mod floods;
mod headers;
mod health;
mod keepalive;
mod leaving;
mod lifetime;
mod load;
mod messages;
mod metadata;
mod metrics;
mod mocks;
mod names;
mod notes;
mod operations;
mod overload;
mod pages;
mod panics;
mod recipes;
mod recovery;
mod refused_uploads;
mod regions;
mod reload;
mod responses;
mod routing;
mod sdk;
mod slow_clients;
mod start;
mod streams;
mod support;
mod vertex;
mod watsonx;
mod windows;
mod zephyrs;

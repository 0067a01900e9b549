#![doc = include_str!("../README.md")]

mod accepts;
mod activity;
mod app;
mod call;
mod closing;
mod follow;
mod in_flight;
mod key;
mod latest;
mod linger;
mod listener;
mod metrics;
mod outer;
mod pages;
mod panics;
mod parting;
mod patience;
mod reload;
mod request_log;
mod route;
mod serve;
mod server;
mod tls;
mod unread;
mod wake_gate;

pub use self::{
    app::{App, AppFuture, Facts},
    follow::Follow,
    in_flight::Held,
    key::MasterKey,
    listener::Listener,
    metrics::Metrics,
    outer::{CALL_ID, Outer, OuterBody, OuterFuture, outer},
    panics::log_panics,
    reload::{Handle, ReloadError, Reloaded},
    request_log::RequestLog,
    serve::serve,
    server::{DEFAULT_DRAIN, DEFAULT_PORT, Options, Server, StartError},
    tls::{TlsError, TlsFiles},
};

#![doc = include_str!("../README.md")]

mod app;
mod key;
mod outer;
mod pages;
mod route;
mod serve;
mod server;

pub use self::{
    app::{App, AppFuture, Facts},
    key::MasterKey,
    outer::{CALL_ID, outer},
    serve::serve,
    server::{DEFAULT_DRAIN, DEFAULT_PORT, Options, Server, StartError},
};

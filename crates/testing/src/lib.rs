#![doc = include_str!("../README.md")]

mod body;
pub mod contract;
mod future;
#[cfg(feature = "golden")]
pub mod golden;
mod guard;
mod logs;
mod probe;
mod service;
pub mod wire;

pub use ziggurat_mock as mock;

pub use self::{
    body::{ScriptedBody, ScriptedError},
    future::AnswerFuture,
    guard::{Guard, Guards},
    logs::log_if_asked,
    probe::{StrictProbe, Tally},
    service::ScriptedService,
};

#![doc = include_str!("../README.md")]

pub mod body;
mod breaker;
mod class;
mod counts;
pub mod error;
pub mod future;
mod group;
mod layer;
mod rules;
mod service;
mod settings;
mod watch;

pub use self::{
    body::ResponseBody, breaker::Breaker, class::FailureClass, error::CoolingDown, group::Group,
    layer::CooldownLayer, rules::Rules, service::Cooldown,
};

/// The target of all events.
const TARGET: &str = "ziggurat::cooldown";

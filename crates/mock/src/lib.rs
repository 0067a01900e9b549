#![doc = include_str!("../README.md")]

mod answer;
mod anthropic;
mod connection;
mod error;
mod event;
mod hit;
mod openai;
mod play;
mod receive;
mod reply;
mod script;
mod step;
mod upstream;

pub use self::{
    answer::Answer,
    error::ApiError,
    event::Event,
    hit::{Hit, Progress},
    script::Script,
    step::{Cut, Step},
    upstream::{Closed, Running, Upstream},
};

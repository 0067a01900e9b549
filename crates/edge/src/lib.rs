#![doc = include_str!("../README.md")]

pub mod envelope;
pub mod respond;

pub use self::{
    envelope::{Envelope, EnvelopeLayer},
    respond::{ErrorTypes, Respond, RespondLayer},
};

#![doc = include_str!("../README.md")]

pub mod envelope;
pub mod path;
pub mod respond;

pub use self::{
    envelope::{Envelope, EnvelopeLayer},
    respond::{ErrorTypes, Respond, RespondLayer},
};

/// The request asked to be told what its fallbacks went around: a response extension, from the envelope to respond.
#[derive(Clone, Copy, Debug)]
struct IncludeFallbackErrors;

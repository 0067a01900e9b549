#![doc = include_str!("../README.md")]

pub mod catch_panic;
pub mod early_head;
pub mod envelope;
pub mod fanout;
pub mod path;
pub mod respond;

use std::sync::Arc;

use ziggurat_core::{ModelGroup, Tried};

pub use self::{
    catch_panic::{CatchPanic, CatchPanicLayer},
    early_head::{EarlyHead, EarlyHeadLayer},
    envelope::{Envelope, EnvelopeLayer},
    fanout::{Fanout, FanoutLayer},
    respond::{ErrorForm, ErrorTypes, Respond, RespondLayer},
};

/// The request names several models: a request extension, from the envelope to the fan-out.
#[derive(Clone, Debug)]
struct Models {
    names: Arc<[ModelGroup]>,
    /// The first answer is enough.
    fastest: bool,
}

/// The attempts behind a response, where they are not those of its request: a response extension, from the fan-out to
/// respond.
#[derive(Clone, Debug)]
struct Ledger(Tried);

/// How many attempts are behind a response that no one ledger stands for: a response extension, from the fan-out to respond.
#[derive(Clone, Copy, Debug)]
struct TotalAttempts(usize);

/// The request asked to be told what its fallbacks went around: a response extension, from the envelope to respond.
#[derive(Clone, Copy, Debug)]
struct IncludeFallbackErrors;

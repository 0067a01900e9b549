#![doc = include_str!("../README.md")]

mod bytes;
mod count;
pub mod error;
#[cfg(feature = "exact-tokens")]
mod exact;
mod family;
pub mod future;
mod layer;
mod precount;
mod prompt;
mod service;
mod window;

#[cfg(feature = "exact-tokens")]
pub use self::exact::Exact;
pub use self::{
    count::{Bytes, CountTokens},
    error::DoesNotFit,
    family::Family,
    layer::ContextWindowFilterLayer,
    precount::{Precount, PrecountLayer},
    prompt::Prompt,
    service::ContextWindowFilter,
    window::{Window, exceeds},
};

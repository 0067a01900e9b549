//! What a single request wants otherwise than configured: one extension per wish.
//!
//! Put into the request by the edge, or by the user's own code; read by the layer of the same name.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::fallbacks::{Chain, Table};

/// The time limit of each attempt, to the last byte of a plain response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout(pub Duration);

/// The time limit of each attempt of a streamed response, to its first content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamTimeout(pub Duration);

/// The longest silence between two pieces of a streamed response, once its first content has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamIdleTimeout(pub Duration);

/// The time limit of each attempt of a streamed response, to its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamTotalTimeout(pub Duration);

/// The time limit of the whole request, over all attempts and fallback hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TotalTimeout(pub Duration);

/// How many attempts may follow the first, in each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxRetries(pub u32);

/// How many times the client itself has asked again already; taken off the retries of each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientRetries(pub u32);

/// Members that take the place of those of the request body: name, and value as JSON.
///
/// Put by the fallback layer for a hop with parameters of its own; read by the leaf and by whoever reads the body.
/// [`Debug`](fmt::Debug) shows the names only.
#[derive(Clone, Default)]
pub struct Parameters(pub Arc<[(Arc<str>, Bytes)]>);

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Says that another group will be asked if this one fails, so that long waits are not worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FallbackAhead;

/// Fallbacks of a single request; each table takes the place of the configured one of its kind.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Fallbacks {
    /// No fallback of any kind.
    pub disabled: bool,
    /// One chain for every kind of failure.
    pub chain: Option<Chain>,
    /// The table for ordinary failures.
    pub general: Option<Table>,
    /// The table for prompts that do not fit.
    pub context_window: Option<Table>,
    /// The table for content that a provider refused.
    pub content_policy: Option<Table>,
}

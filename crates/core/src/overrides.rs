//! What a single request wants otherwise than configured: one extension per wish.
//!
//! Put into the request by the edge, or by the user's own code; read by the layer of the same name.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Extensions;

use crate::{
    DeploymentId, FailureKind, FailureKinds,
    fallbacks::{Chain, Table},
};

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

/// How long the client waits for the head of the response, as it says itself: after that, no one reads an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientTimeout(pub Duration);

/// How long the client's stream may be silent before it gets a sign of life, also before there is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeepAlive(pub Duration);

/// A text that stands for every answer to the request, so that no upstream is asked: for tests. [`Debug`](fmt::Debug) does not
/// show it.
#[derive(Clone, PartialEq, Eq)]
pub struct MockResponse(pub Arc<str>);

impl fmt::Debug for MockResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockResponse").finish_non_exhaustive()
    }
}

/// A failure that stands for the answer of the first group, which is not asked: for tests of what its fallbacks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MockFailure(pub FailureKind);

/// How many attempts may follow the first, in each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxRetries(pub u32);

/// Deployments that are not to be asked, whatever else is left.
///
/// Put by the fallback layer when a deployment broke in the middle of its answer; read by balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded(pub Arc<[DeploymentId]>);

/// How many times the client itself has asked again already; taken off the retries of each group.
///
/// A client that counts, from 0 on, shares the retries: it is told to ask again only as long as there are any.
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

/// The last message is the beginning of the answer, and whoever answers is to go on from there.
///
/// Put by the fallback layer with the message itself; read by dialects whose API has to be told so, and whose request had no
/// word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefilled;

/// Says after which failures another group will be asked, so that long waits are not worth it.
///
/// Put by the fallback layer, read by the retry layer. Without it no failure leads to another group.
#[derive(Clone)]
pub struct FallbackAhead {
    kinds: FailureKinds,
    check: Option<Arc<dyn LeadsOn>>,
}

/// Knows whether a failure leads to another group.
pub trait LeadsOn: Send + Sync {
    /// Says whether a failure of this kind leads to another group, for a request with these extensions.
    fn leads_on(&self, kind: FailureKind, extensions: &Extensions) -> bool;
}

impl<F> LeadsOn for F
where
    F: Fn(FailureKind, &Extensions) -> bool + Send + Sync,
{
    fn leads_on(&self, kind: FailureKind, extensions: &Extensions) -> bool {
        self(kind, extensions)
    }
}

impl FallbackAhead {
    /// Another group will be asked after a failure of any of these kinds.
    #[must_use]
    pub const fn after(kinds: FailureKinds) -> Self {
        Self { kinds, check: None }
    }

    /// Adds a check for what is too costly to know before a call: it sees the kind of a failure and the extensions of
    /// the request, and says `false` if that failure leads nowhere after all.
    #[must_use]
    pub fn only_if(
        self,
        check: impl Fn(FailureKind, &Extensions) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.checked_by(Arc::new(check))
    }

    /// The same with a check that is shared already.
    #[must_use]
    pub fn checked_by(mut self, check: Arc<dyn LeadsOn>) -> Self {
        self.check = Some(check);
        self
    }

    /// Says whether another group will be asked if this one fails in this way; `extensions` are those of the request.
    #[must_use]
    pub fn follows(&self, kind: FailureKind, extensions: &Extensions) -> bool {
        let checked = || {
            self.check
                .as_ref()
                .is_none_or(|check| check.leads_on(kind, extensions))
        };
        self.kinds.contains(kind) && checked()
    }
}

impl fmt::Debug for FallbackAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackAhead")
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}

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

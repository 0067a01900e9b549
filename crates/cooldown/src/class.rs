use ziggurat_core::{Failure, FailureKind};

/// A class of failures that can have an allowance of its own; the names are those of LiteLLM's `allowed_fails_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureClass {
    /// The request cannot be served as it stands (400, 413, 422); not the one that does not fit the context window.
    BadRequest,
    /// The key was not accepted (401).
    Authentication,
    /// No answer in time (408, 504, and our own limits).
    Timeout,
    /// Too many requests, or a quota that is used up (429).
    RateLimit,
    /// The provider refused the content.
    ContentPolicy,
    /// The upstream failed in a way that has no class of its own (500 and above), or no one knows how.
    InternalServer,
    /// The upstream is overloaded (503), or could not be connected to.
    ServiceUnavailable,
    /// A gateway failed (502), the connection broke, or what came was not an answer.
    BadGateway,
    /// The upstream does not know the model or path (404).
    NotFound,
}

/// What a failure of a kind says about the deployment, unless its class has an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Nothing: the request is at fault, or was never sent.
    None,
    /// It may have been bad luck: it counts.
    Counts,
    /// The next call would fail as well: it counts, and begins a cooldown at once.
    Immediate,
}

impl FailureClass {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::NotFound as usize + 1;

    pub(crate) fn of(failure: &Failure) -> Option<Self> {
        Some(match failure.kind() {
            FailureKind::BadRequest | FailureKind::PayloadTooLarge => Self::BadRequest,
            FailureKind::Authentication => Self::Authentication,
            FailureKind::Timeout => Self::Timeout,
            FailureKind::RateLimited | FailureKind::QuotaExceeded => Self::RateLimit,
            FailureKind::ContentPolicy => Self::ContentPolicy,
            FailureKind::NotFound => Self::NotFound,
            FailureKind::Server => match failure.status().as_u16() {
                502 => Self::BadGateway,
                503 => Self::ServiceUnavailable,
                _ => Self::InternalServer,
            },
            FailureKind::Connect => Self::ServiceUnavailable,
            FailureKind::Disconnected | FailureKind::InvalidResponse => Self::BadGateway,
            FailureKind::Other => Self::InternalServer,
            _ => return None,
        })
    }
}

impl Weight {
    pub(crate) fn of(kind: FailureKind) -> Self {
        match kind {
            kind if is_lasting(kind) => Self::Immediate,
            kind if kind.is_local() => Self::None,
            FailureKind::BadRequest
            | FailureKind::PayloadTooLarge
            | FailureKind::PermissionDenied
            | FailureKind::Conflict
            | FailureKind::ContextWindow
            | FailureKind::ContentPolicy => Self::None,
            _ => Self::Counts,
        }
    }
}

/// Says whether the upstream has told that the next call would fail as well (401, 402, 404, 429).
pub(crate) fn is_lasting(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Authentication
            | FailureKind::PaymentRequired
            | FailureKind::NotFound
            | FailureKind::RateLimited
            | FailureKind::QuotaExceeded
    )
}

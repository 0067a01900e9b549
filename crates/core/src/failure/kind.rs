use std::fmt;

use http::StatusCode;

/// What went wrong, as far as routing is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The request cannot be served as it stands (400, 422 and other 4xx).
    BadRequest,
    /// The request body is larger than allowed (413).
    PayloadTooLarge,
    /// The key is missing or wrong (401).
    Authentication,
    /// The account has to be paid first (402).
    PaymentRequired,
    /// The key may not do this (403).
    PermissionDenied,
    /// The upstream does not know the model or path (404).
    NotFound,
    /// The upstream saw a conflict (409).
    Conflict,
    /// Too many requests or tokens for now (429).
    RateLimited,
    /// The quota of the account is used up (429); waiting does not help.
    QuotaExceeded,
    /// The prompt does not fit the model's context window.
    ContextWindow,
    /// The provider refused the prompt or its answer as harmful.
    ContentPolicy,
    /// No answer in time: ours (408) or the upstream's (408, 504).
    Timeout,
    /// The upstream failed (5xx).
    Server,
    /// No connection could be made: refused, unreachable, name or TLS failure.
    Connect,
    /// The connection broke before the answer was complete.
    Disconnected,
    /// The upstream answered something that is not an answer.
    InvalidResponse,
    /// The region is not one that the request allows.
    Region,
    /// No deployment has the tags that the request demands.
    Tags,
    /// Every deployment that could serve the request is resting after failures.
    CoolingDown,
    /// No deployment is left that would take the request.
    NoCandidate,
    /// No group serves this model name.
    UnknownModel,
    /// This process has as many requests under way as it may have (503).
    Overloaded,
    /// Code of this process panicked (500).
    Panicked,
    /// Anything else.
    Other,
}

impl FailureKind {
    pub(crate) const ALL: [Self; 24] = [
        Self::BadRequest,
        Self::PayloadTooLarge,
        Self::Authentication,
        Self::PaymentRequired,
        Self::PermissionDenied,
        Self::NotFound,
        Self::Conflict,
        Self::RateLimited,
        Self::QuotaExceeded,
        Self::ContextWindow,
        Self::ContentPolicy,
        Self::Timeout,
        Self::Server,
        Self::Connect,
        Self::Disconnected,
        Self::InvalidResponse,
        Self::Region,
        Self::Tags,
        Self::CoolingDown,
        Self::NoCandidate,
        Self::UnknownModel,
        Self::Overloaded,
        Self::Panicked,
        Self::Other,
    ];

    /// Returns all kinds, in an order that may change between versions.
    #[must_use]
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// Returns the kind of an HTTP status, or `None` if the status is not a failure (below 400).
    #[must_use]
    pub fn from_status(status: StatusCode) -> Option<Self> {
        Some(match status.as_u16() {
            0..=399 => return None,
            401 => Self::Authentication,
            402 => Self::PaymentRequired,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::PayloadTooLarge,
            429 => Self::RateLimited,
            400..=499 => Self::BadRequest,
            _ => Self::Server,
        })
    }

    /// Returns the HTTP status that fits the kind where no upstream gave one.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::ContextWindow | Self::ContentPolicy | Self::UnknownModel => {
                StatusCode::BAD_REQUEST
            }
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Authentication => StatusCode::UNAUTHORIZED,
            Self::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
            Self::PermissionDenied | Self::Region | Self::Tags => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::RateLimited | Self::QuotaExceeded | Self::CoolingDown | Self::NoCandidate => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Connect | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Disconnected | Self::InvalidResponse => StatusCode::BAD_GATEWAY,
            Self::Server | Self::Panicked | Self::Other => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Says whether the refusal came from this process: no upstream was asked, and asking the same group again
    /// gives the same answer.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(
            self,
            Self::Region
                | Self::Tags
                | Self::CoolingDown
                | Self::NoCandidate
                | Self::UnknownModel
                | Self::Overloaded
        )
    }

    /// Returns a short lower-case name, fit for log fields and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::PayloadTooLarge => "payload_too_large",
            Self::Authentication => "authentication",
            Self::PaymentRequired => "payment_required",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::Timeout => "timeout",
            Self::Server => "server",
            Self::Connect => "connect",
            Self::Disconnected => "disconnected",
            Self::InvalidResponse => "invalid_response",
            Self::Region => "region",
            Self::Tags => "tags",
            Self::CoolingDown => "cooling_down",
            Self::NoCandidate => "no_candidate",
            Self::UnknownModel => "unknown_model",
            Self::Overloaded => "overloaded",
            Self::Panicked => "panicked",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadRequest => "the request cannot be served",
            Self::PayloadTooLarge => "the request body is too large",
            Self::Authentication => "the key was not accepted",
            Self::PaymentRequired => "the provider asks for payment",
            Self::PermissionDenied => "permission denied",
            Self::NotFound => "the upstream does not know the model or path",
            Self::Conflict => "the upstream reported a conflict",
            Self::RateLimited => "rate limited",
            Self::QuotaExceeded => "the quota is used up",
            Self::ContextWindow => "the prompt does not fit the context window",
            Self::ContentPolicy => "refused by a content policy",
            Self::Timeout => "timeout",
            Self::Server => "the upstream failed",
            Self::Connect => "connecting to the upstream failed",
            Self::Disconnected => "the upstream closed the connection early",
            Self::InvalidResponse => "the upstream sent an unreadable answer",
            Self::Region => "the region is not allowed",
            Self::Tags => "the tags are not allowed",
            Self::CoolingDown => "the deployments are cooling down",
            Self::NoCandidate => "no deployment available",
            Self::UnknownModel => "unknown model",
            Self::Overloaded => "too many requests are under way",
            Self::Panicked => "internal error",
            Self::Other => "the call failed",
        })
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct FailureKinds(u32);

// Every kind is listed, in its place, and has its bit.
const _: () = {
    let mut at = 0;
    while at < FailureKind::ALL.len() {
        assert!(FailureKind::ALL[at] as usize == at);
        at += 1;
    }
    assert!(FailureKind::ALL.len() == FailureKind::Other as usize + 1);
    assert!(FailureKind::ALL.len() <= u32::BITS as usize);
};

impl FailureKinds {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// Every kind.
    pub const ALL: Self = Self((1 << FailureKind::ALL.len()) - 1);

    /// The kinds for which `is_in` says so; it is asked about each once.
    pub fn of(mut is_in: impl FnMut(FailureKind) -> bool) -> Self {
        let kinds = FailureKind::ALL.into_iter().filter(|kind| is_in(*kind));
        kinds.fold(Self::NONE, Self::with)
    }

    /// Adds a kind.
    #[must_use]
    pub const fn with(self, kind: FailureKind) -> Self {
        Self(self.0 | 1 << kind as u32)
    }

    /// Takes a kind out.
    #[must_use]
    pub const fn without(self, kind: FailureKind) -> Self {
        Self(self.0 & !(1 << kind as u32))
    }

    /// Keeps the kinds that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Says whether a kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: FailureKind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }

    /// Says whether no kind is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for FailureKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = FailureKind::ALL.into_iter();
        f.debug_set()
            .entries(kinds.filter(|kind| self.contains(*kind)))
            .finish()
    }
}

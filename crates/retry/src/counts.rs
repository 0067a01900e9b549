use http::StatusCode;
use ziggurat_core::{Failure, FailureKind};

/// Numbers of retries by class of failure, LiteLLM's `retry_policy`: see the [crate page](crate#by-class-of-failure).
///
/// `None` is no number of the class's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Bad requests (400 and other 4xx), too large ones (413) included.
    pub bad_request: Option<u32>,
    /// Keys that were not accepted (401).
    pub authentication: Option<u32>,
    /// No answer in time (408, 504, and limits of our own).
    pub timeout: Option<u32>,
    /// Rate limits and used up quotas (429).
    pub rate_limit: Option<u32>,
    /// Content that a provider refused; without a number, that of bad requests.
    pub content_policy: Option<u32>,
    /// Failures of the upstream (5xx but 503 and 504), connections that failed or broke, unreadable answers.
    pub internal_server: Option<u32>,
    /// Upstreams that say that they are not available (503).
    pub service_unavailable: Option<u32>,
    /// Anything with status 404.
    pub not_found: Option<u32>,
    /// Failures whose class has no number, or that belong to none (402, 403, 409).
    pub default: Option<u32>,
}

impl RetryPolicy {
    /// No number for any class.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bad_request: None,
            authentication: None,
            timeout: None,
            rate_limit: None,
            content_policy: None,
            internal_server: None,
            service_unavailable: None,
            not_found: None,
            default: None,
        }
    }

    /// Returns the number for a failure: that of its most specific class that has one.
    ///
    /// There is none for refusals of this process and for prompts that do not fit: they would be refused again.
    #[must_use]
    pub fn retries(&self, failure: &Failure) -> Option<u32> {
        let kind = failure.kind();
        if kind.is_local() || kind == FailureKind::ContextWindow {
            return None;
        }
        let not_found = (failure.status() == StatusCode::NOT_FOUND).then_some(self.not_found);
        let of_class = match kind {
            FailureKind::BadRequest | FailureKind::PayloadTooLarge => self.bad_request,
            FailureKind::ContentPolicy => self.content_policy.or(self.bad_request),
            FailureKind::Authentication => self.authentication,
            FailureKind::Timeout => self.timeout,
            FailureKind::RateLimited | FailureKind::QuotaExceeded => self.rate_limit,
            FailureKind::NotFound => self.not_found,
            FailureKind::Server if failure.status() == StatusCode::SERVICE_UNAVAILABLE => {
                self.service_unavailable
            }
            FailureKind::Server
            | FailureKind::Connect
            | FailureKind::Disconnected
            | FailureKind::InvalidResponse => self.internal_server,
            _ => None,
        };
        not_found.flatten().or(of_class).or(self.default)
    }
}

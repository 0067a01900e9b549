//! Policies: one number per class of errors.

use super::Named;
use crate::{keys, scalar, section::Section};

/// Retries by the class of the first error (R59, R60). A class that is not set takes
/// [`default_retries`](Self::default_retries), and without that the plain count of retries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// `BadRequestErrorRetries`.
    pub bad_request: Option<u32>,
    /// `AuthenticationErrorRetries`.
    pub authentication: Option<u32>,
    /// `TimeoutErrorRetries`.
    pub timeout: Option<u32>,
    /// `RateLimitErrorRetries`.
    pub rate_limit: Option<u32>,
    /// `ContentPolicyViolationErrorRetries`.
    pub content_policy: Option<u32>,
    /// `InternalServerErrorRetries`.
    pub internal_server: Option<u32>,
    /// `ServiceUnavailableErrorRetries`.
    pub service_unavailable: Option<u32>,
    /// `NotFoundErrorRetries`.
    pub not_found: Option<u32>,
    /// `DefaultRetries`.
    pub default_retries: Option<u32>,
}

/// Failures that are allowed by their class (R122, R124). A class that is not set takes the plain
/// `allowed_fails`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllowedFailsPolicy {
    /// `BadRequestErrorAllowedFails`.
    pub bad_request: Option<u32>,
    /// `AuthenticationErrorAllowedFails`.
    pub authentication: Option<u32>,
    /// `TimeoutErrorAllowedFails`.
    pub timeout: Option<u32>,
    /// `RateLimitErrorAllowedFails`.
    pub rate_limit: Option<u32>,
    /// `ContentPolicyViolationErrorAllowedFails`.
    pub content_policy: Option<u32>,
    /// `InternalServerErrorAllowedFails`.
    pub internal_server: Option<u32>,
    /// `ServiceUnavailableErrorAllowedFails`.
    pub service_unavailable: Option<u32>,
    /// `BadGatewayErrorAllowedFails`.
    pub bad_gateway: Option<u32>,
    /// `NotFoundErrorAllowedFails`.
    pub not_found: Option<u32>,
}

// === impl RetryPolicy ===

impl RetryPolicy {
    /// Reads the policy under a key; `None` if it says nothing.
    pub(super) fn read(parent: &mut Section<'_>, key: &str) -> Option<Self> {
        let policy = Self::read_even_empty(parent, key)?;
        (policy != Self::default()).then_some(policy)
    }

    /// Reads the policies of the groups. An empty one still replaces the one for all groups.
    pub(super) fn read_groups(
        router: &mut Section<'_>,
        named: &mut Vec<Named>,
    ) -> Vec<(String, Self)> {
        let mut section = router.section("model_group_retry_policy");
        let mut policies = Vec::new();
        for (group, _) in section.entries() {
            if let Some(policy) = Self::read_even_empty(&mut section, &group) {
                named.push(Named::new(&section, &group, &section.path.key(&group)));
                policies.push((group, policy));
            }
        }
        router.findings.append(&mut section.findings);
        policies
    }

    fn read_even_empty(parent: &mut Section<'_>, key: &str) -> Option<Self> {
        let mut section = parent.section(key);
        section.check_keys(&keys::RETRIES);
        let mut count = |key| section.read(key, scalar::count);
        let policy = Self {
            bad_request: count("BadRequestErrorRetries"),
            authentication: count("AuthenticationErrorRetries"),
            timeout: count("TimeoutErrorRetries"),
            rate_limit: count("RateLimitErrorRetries"),
            content_policy: count("ContentPolicyViolationErrorRetries"),
            internal_server: count("InternalServerErrorRetries"),
            service_unavailable: count("ServiceUnavailableErrorRetries"),
            not_found: count("NotFoundErrorRetries"),
            default_retries: count("DefaultRetries"),
        };
        let is_set = section.map().is_some();
        parent.findings.append(&mut section.findings);
        is_set.then_some(policy)
    }
}

// === impl AllowedFailsPolicy ===

impl AllowedFailsPolicy {
    /// Reads the policy under `allowed_fails_policy`; `None` if it says nothing.
    pub(crate) fn read(parent: &mut Section<'_>) -> Option<Self> {
        let mut section = parent.section("allowed_fails_policy");
        section.check_keys(&keys::FAILS);
        let mut count = |key| section.read(key, scalar::count);
        let policy = Self {
            bad_request: count("BadRequestErrorAllowedFails"),
            authentication: count("AuthenticationErrorAllowedFails"),
            timeout: count("TimeoutErrorAllowedFails"),
            rate_limit: count("RateLimitErrorAllowedFails"),
            content_policy: count("ContentPolicyViolationErrorAllowedFails"),
            internal_server: count("InternalServerErrorAllowedFails"),
            service_unavailable: count("ServiceUnavailableErrorAllowedFails"),
            bad_gateway: count("BadGatewayErrorAllowedFails"),
            not_found: count("NotFoundErrorAllowedFails"),
        };
        parent.findings.append(&mut section.findings);
        (policy != Self::default()).then_some(policy)
    }
}

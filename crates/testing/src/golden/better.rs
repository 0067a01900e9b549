use std::fmt;

use serde_json::Value;
use ziggurat_core::FailureKind;

/// Where recordings are bettered: the gateway that made them has faults, which they say themselves.
pub struct Better {
    pub(super) failures: &'static [(&'static str, FailureKind, u16)],
    pub(super) refused: &'static [&'static str],
    pub(super) request: fn(&str, &mut Value),
    pub(super) answer: fn(&str, &mut Value),
}

impl Better {
    /// Nowhere.
    #[must_use]
    pub fn new() -> Self {
        Self {
            failures: &[],
            refused: &[],
            request: |_, _| {},
            answer: |_, _| {},
        }
    }

    /// Sets the kind and the status of failures.
    #[must_use]
    pub fn failures(mut self, failures: &'static [(&'static str, FailureKind, u16)]) -> Self {
        self.failures = failures;
        self
    }

    /// Names the recordings whose deployment is refused when it is built.
    #[must_use]
    pub fn refused(mut self, keys: &'static [&'static str]) -> Self {
        self.refused = keys;
        self
    }

    /// Changes what the upstream must get: a recording's `upstream_request`, null if nothing must be sent.
    #[must_use]
    pub fn request(mut self, change: fn(&str, &mut Value)) -> Self {
        self.request = change;
        self
    }

    /// Changes what the client must get: a recording's `proxy_response`.
    #[must_use]
    pub fn answer(mut self, change: fn(&str, &mut Value)) -> Self {
        self.answer = change;
        self
    }
}

impl Default for Better {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Better {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Better")
            .field("failures", &self.failures)
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

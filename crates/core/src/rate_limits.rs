use crate::vitals::{Limits, Used};

/// What the limits of a minute leave to a group: a response extension.
///
/// Put by the balance, read by the edge. Absent if no deployment of the group declares a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// In requests, of the deployments that declare such a limit.
    pub requests: Option<Quota>,
    /// In tokens, of the deployments that declare such a limit.
    pub tokens: Option<Quota>,
}

/// What a minute allows, and what of it is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// All that the minute allows.
    pub limit: u64,
    /// What is left.
    pub remaining: u64,
}

impl RateLimits {
    /// Adds the limits of one more deployment, of which so much is used.
    pub fn add(&mut self, limits: Limits, used: Used) {
        add(&mut self.requests, limits.requests, used.requests);
        add(&mut self.tokens, limits.tokens, used.tokens);
    }
}

fn add(quota: &mut Option<Quota>, limit: Option<u64>, used: u64) {
    if let Some(limit) = limit {
        let quota = quota.get_or_insert_default();
        quota.limit = quota.limit.saturating_add(limit);
        // What one has had too much of is not taken from the others.
        quota.remaining = quota.remaining.saturating_add(limit.saturating_sub(used));
    }
}

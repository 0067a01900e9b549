use std::{mem, sync::Arc};

use http::Extensions;
use ziggurat_core::{
    Failure, FailureKind, FallbackReason, ModelGroup, Tried,
    fallbacks::{Chain, Target},
    overrides::{
        Fallbacks, MaxRetries, Parameters, StreamIdleTimeout, StreamTimeout, StreamTotalTimeout,
        Timeout,
    },
};

use crate::policy::{Chains, Policy};

/// The way of one request from group to group.
pub(crate) struct Walk {
    chains: Chains,
    tried: Tried,
    /// Being asked now, or next.
    current: Target,
    /// Asked before.
    asked: Vec<Target>,
    /// Chains that may have targets left; the innermost is last.
    open: Vec<Cursor>,
}

struct Cursor {
    /// The group whose failure opened the chain.
    of: ModelGroup,
    chain: Chain,
    at: usize,
    reason: FallbackReason,
}

/// A step to another group.
pub(crate) struct Hop {
    pub(crate) from: ModelGroup,
    pub(crate) to: Target,
    pub(crate) reason: FallbackReason,
    /// The failure that made it necessary.
    pub(crate) cause: Failure,
}

// === impl Walk ===

impl Walk {
    /// Starts at the group of a request, unless no failure of it could lead to another one.
    pub(crate) fn begin(policy: &Arc<Policy>, extensions: &mut Extensions) -> Option<Self> {
        let group = extensions.get::<ModelGroup>()?;
        let wishes = extensions.get::<Fallbacks>();
        if policy.max_fallbacks == 0 || wishes.is_some_and(|wishes| wishes.disabled) {
            return None;
        }
        let chains = Chains {
            policy: Arc::clone(policy),
            wishes: wishes.cloned(),
        };
        let current = Target::new(group.clone());
        if !chains.lead_away_from(&current) {
            return None;
        }
        Some(Self {
            chains,
            tried: extensions.get_or_insert_with(Tried::new).clone(),
            current,
            asked: Vec::new(),
            open: Vec::new(),
        })
    }

    /// Chooses the target to ask after the current one failed.
    pub(crate) fn advance(&mut self, failure: &Failure) -> Option<Hop> {
        let kind = failure.kind();
        if !self.chains.policy.follows(kind) || !self.permits(0) {
            return None;
        }
        self.open_chain(kind);
        while let Some(cursor) = self.open.last_mut() {
            let Some(to) = cursor.next(&self.current, &self.asked) else {
                self.open.pop();
                continue;
            };
            let reason = cursor.reason;
            let left = mem::replace(&mut self.current, to.clone());
            let from = left.group.clone();
            self.asked.push(left);
            return Some(Hop {
                from,
                to,
                reason,
                cause: failure.clone(),
            });
        }
        None
    }

    /// Writes a hop into the ledger.
    pub(crate) fn depart(&self, hop: &Hop) {
        self.tried.hop(hop.reason, hop.cause.clone());
    }

    /// Returns the number of hops so far.
    pub(crate) fn hops(&self) -> u32 {
        self.tried.hops()
    }

    /// Returns the group that the request came for.
    pub(crate) fn origin(&self) -> &ModelGroup {
        &self.asked.first().unwrap_or(&self.current).group
    }

    /// Says whether an ordinary failure of the current group leads to another one.
    pub(crate) fn leads_on(&self) -> bool {
        let group = &self.current.group;
        let fresh = |of: &ModelGroup, targets: &[Target]| {
            targets.iter().any(|target| {
                is_fresh(target, of, &self.current, &self.asked)
                    && self.chains.policy.serves(&target.group)
            })
        };
        // The group about to be asked makes one attempt at least.
        self.permits(1)
            && self.chains.policy.follows_transient()
            && (self
                .chains
                .of(group.as_str(), FailureKind::Server)
                .is_some_and(|chain| fresh(group, chain))
                || self
                    .open
                    .iter()
                    .any(|cursor| fresh(&cursor.of, cursor.rest())))
    }

    /// Says whether the limits allow a hop once `more` attempts have been made.
    fn permits(&self, more: usize) -> bool {
        let policy = &self.chains.policy;
        self.tried.hops() < policy.max_fallbacks
            && self.tried.attempts().saturating_add(more) < policy.max_attempts
    }

    fn open_chain(&mut self, kind: FailureKind) {
        // What a provider refused is not taken elsewhere by chains made for outages or long prompts.
        if kind == FailureKind::ContentPolicy && !self.chains.all_outlast_refusal() {
            self.open
                .retain(|cursor| cursor.reason == FallbackReason::ContentPolicy);
        }
        // The request's own list is the same for every group: its rest is open already.
        if self.chains.single().is_some() && !self.asked.is_empty() {
            return;
        }
        if let Some(chain) = self.chains.of(self.current.group.as_str(), kind) {
            self.open.push(Cursor {
                of: self.current.group.clone(),
                chain: Arc::clone(chain),
                at: 0,
                reason: reason(kind),
            });
        }
    }
}

/// Says whether a target of the chain of `of` was neither asked before nor is `of` itself under its bare name.
fn is_fresh(target: &Target, of: &ModelGroup, current: &Target, asked: &[Target]) -> bool {
    let is_origin = || target.group == *of && *target == Target::new(of.clone());
    target != current && !asked.contains(target) && !is_origin()
}

const fn reason(kind: FailureKind) -> FallbackReason {
    match kind {
        FailureKind::ContextWindow => FallbackReason::ContextWindow,
        FailureKind::ContentPolicy => FallbackReason::ContentPolicy,
        _ => FallbackReason::Error,
    }
}

// === impl Cursor ===

impl Cursor {
    fn rest(&self) -> &[Target] {
        &self.chain[self.at..]
    }

    /// Returns the next fresh target and stands behind it.
    fn next(&mut self, current: &Target, asked: &[Target]) -> Option<Target> {
        let (skipped, target) = self
            .rest()
            .iter()
            .enumerate()
            .find(|(_, target)| is_fresh(target, &self.of, current, asked))?;
        let target = target.clone();
        self.at += skipped + 1;
        Some(target)
    }
}

// === impl Hop ===

impl Hop {
    /// Directs a fresh copy of the request to the target, with the target's own settings.
    pub(crate) fn redirect(&self, extensions: &mut Extensions) {
        let target = &self.to;
        extensions.insert(target.group.clone());
        if let Some(limit) = target.timeout {
            extensions.insert(Timeout(limit));
        }
        if let Some(limit) = target.stream_timeout {
            extensions.insert(StreamTimeout(limit));
        }
        if let Some(limit) = target.stream_idle_timeout {
            extensions.insert(StreamIdleTimeout(limit));
        }
        if let Some(limit) = target.stream_total_timeout {
            extensions.insert(StreamTotalTimeout(limit));
        }
        if let Some(retries) = target.max_retries {
            extensions.insert(MaxRetries(retries));
        }
        if !target.parameters.is_empty() {
            let merged = merge(extensions.get(), target);
            extensions.insert(merged);
        }
    }
}

/// Lays a target's parameters over those that the request has already.
fn merge(own: Option<&Parameters>, target: &Target) -> Parameters {
    let Some(Parameters(own)) = own else {
        return Parameters(Arc::clone(&target.parameters));
    };
    let replaced = |name: &str| target.parameters.iter().any(|(other, _)| **other == *name);
    let kept = own.iter().filter(|(name, _)| !replaced(name));
    Parameters(kept.chain(&*target.parameters).cloned().collect())
}

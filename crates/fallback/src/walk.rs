use std::{borrow::Cow, mem, sync::Arc, time::Duration};

use http::Extensions;
use ziggurat_core::{
    Attempt, DeploymentId, Failure, FailureKind, FallbackReason, ModelGroup, Tried,
    fallbacks::{Chain, Target},
    overrides::{
        ClientRetries, Excluded, FallbackAhead, Fallbacks, LeadsOn, MaxRetries, Parameters,
        StreamIdleTimeout, StreamTimeout, StreamTotalTimeout, Timeout,
    },
};

use crate::{
    policy::{Chains, Policy},
    recovery::StreamRecovery,
};

/// The way of one request from group to group.
#[derive(Clone)]
pub(crate) struct Walk {
    chains: Chains,
    tried: Tried,
    /// Attempts that were made for the client when it asked before, at most.
    earlier: usize,
    /// What the request brought itself: an earlier hop's parameters do not hold for the next.
    own: Option<Parameters>,
    /// Being asked now, or next.
    current: Target,
    /// Asked before.
    asked: Vec<Target>,
    /// Chains that may have targets left; the innermost is last.
    open: Vec<Cursor>,
}

#[derive(Clone)]
struct Cursor {
    /// The group whose failure opened the chain.
    of: ModelGroup,
    chain: Chain,
    at: usize,
    reason: FallbackReason,
}

/// A step to another group.
#[derive(Clone)]
pub(crate) struct Hop {
    pub(crate) from: ModelGroup,
    pub(crate) to: Target,
    pub(crate) reason: FallbackReason,
    /// The failure that made it necessary.
    pub(crate) cause: Failure,
    /// It is asked for the first time.
    pub(crate) is_first: bool,
    /// Deployments that the request was sent to, if the group stays the same; else empty.
    pub(crate) excluded: Vec<DeploymentId>,
}

// === impl Walk ===

impl Walk {
    /// Starts at the group of a request, unless no failure of it could lead anywhere else.
    pub(crate) fn begin(
        policy: &Arc<Policy>,
        extensions: &mut Extensions,
        recovery: StreamRecovery,
    ) -> Option<Self> {
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
        if recovery == StreamRecovery::Off && !chains.lead_away_from(&current) {
            return None;
        }
        Some(Self {
            chains,
            tried: extensions.get_or_insert_with(Tried::new).clone(),
            earlier: extensions.get().map_or(0, |&ClientRetries(n)| n as usize),
            own: extensions.get().cloned(),
            current,
            asked: Vec::new(),
            open: Vec::new(),
        })
    }

    /// Returns how long a client may hear nothing new after its stream broke.
    pub(crate) fn recovery_timeout(&self) -> Duration {
        self.chains.policy.recovery_timeout
    }

    /// Chooses the target to ask after the current one failed, for a request with these extensions.
    pub(crate) fn advance(&mut self, failure: &Failure, extensions: &Extensions) -> Option<Hop> {
        let kind = failure.kind();
        if !self.chains.policy.follow.contains(kind) || !self.permits(0) {
            return None;
        }
        self.open_chain(kind);
        while let Some(cursor) = self.open.last_mut() {
            let Some(to) = cursor.next() else {
                self.open.pop();
                continue;
            };
            let (of, reason) = (cursor.of.clone(), cursor.reason);
            if !self.is_fresh(&to, &of) || self.is_skipped(&to, extensions) {
                continue;
            }
            let left = mem::replace(&mut self.current, to.clone());
            let from = left.group.clone();
            self.asked.push(left);
            return Some(Hop {
                from,
                to,
                reason,
                cause: failure.clone(),
                is_first: true,
                excluded: Vec::new(),
            });
        }
        None
    }

    /// Chooses the group that is asked once more, after an answer of it broke: for those of its deployments that the request
    /// was not sent to, each once.
    pub(crate) fn stay(&self, failure: &Failure) -> Option<Hop> {
        use FailureKind::{BadRequest, ContentPolicy, ContextWindow};
        let kind = failure.kind();
        let is_alike = matches!(kind, BadRequest | ContentPolicy | ContextWindow);
        let follows = self.chains.policy.follow.contains(kind);
        if is_alike || !follows || !self.permits(0) || !self.has_others() {
            return None;
        }
        let excluded = |attempts: &[Attempt]| {
            let sent = attempts.iter().filter_map(|it| it.deployment.clone());
            sent.collect()
        };
        let mut to = self.current.clone();
        to.max_retries = Some(0);
        Some(Hop {
            from: to.group.clone(),
            to,
            reason: FallbackReason::StreamRecovery,
            cause: failure.clone(),
            is_first: true,
            excluded: self.tried.read(excluded),
        })
    }

    /// Says whether deployments of the current group stood by when it was asked last.
    fn has_others(&self) -> bool {
        let hops = self.tried.hops();
        self.tried.read(|attempts| {
            let last = attempts.last().filter(|last| last.hop == hops);
            last.is_some_and(Attempt::left_untried)
        })
    }

    /// Says whether there is anyone who could go on with an answer of the current group.
    pub(crate) fn leads_anywhere(&self) -> bool {
        self.has_others() || !self.open.is_empty() || self.chains.lead_away_from(&self.current)
    }

    fn is_skipped(&self, target: &Target, extensions: &Extensions) -> bool {
        let is_skipped = self.would_skip(target, extensions);
        if is_skipped {
            tracing::debug!(
                target: "ziggurat::fallback",
                from = self.current.group.as_str(),
                to = target.group.as_str(),
                "passing over a model group",
            );
        }
        is_skipped
    }

    /// Asks whether a target is skipped for the request that it would get.
    fn would_skip(&self, target: &Target, extensions: &Extensions) -> bool {
        let policy = &self.chains.policy;
        policy.skip.is_some() && policy.skips(&target.group, &self.as_sent(target, extensions))
    }

    /// Returns extensions with the parameters that they would have at a target.
    fn as_sent<'a>(&self, target: &Target, extensions: &'a Extensions) -> Cow<'a, Extensions> {
        if target.parameters.is_empty() && self.current.parameters.is_empty() {
            return Cow::Borrowed(extensions);
        }
        let mut sent = extensions.clone();
        match (target.parameters.is_empty(), &self.own) {
            (false, own) => drop(sent.insert(merge(own.as_ref(), target))),
            (true, Some(own)) => drop(sent.insert(own.clone())),
            (true, None) => drop(sent.remove::<Parameters>()),
        }
        Cow::Owned(sent)
    }

    /// Says whether a group is known to go on with an assistant's message that was begun.
    pub(crate) fn takes_prefill(&self, group: &ModelGroup) -> bool {
        self.chains.policy.takes_prefill(group)
    }

    /// Writes a hop into the ledger.
    pub(crate) fn depart(&self, hop: &Hop) {
        self.tried.hop(hop.reason, hop.cause.clone());
    }

    /// Returns the ledger of the request.
    pub(crate) const fn tried(&self) -> &Tried {
        &self.tried
    }

    /// Returns the number of hops so far.
    pub(crate) fn hops(&self) -> u32 {
        self.tried.hops()
    }

    /// Returns the group that the request came for.
    pub(crate) fn origin(&self) -> &ModelGroup {
        &self.asked.first().unwrap_or(&self.current).group
    }

    /// Tells those below that another group may be asked; `None` if the limits allow none. After which failures is looked up
    /// when there is one.
    pub(crate) fn ahead(self: &Arc<Self>) -> Option<FallbackAhead> {
        let kinds = self.chains.policy.follow;
        // The group about to be asked makes one attempt at least.
        if kinds.is_empty() || !self.permits(1) {
            return None;
        }
        let walk = Arc::clone(self);
        Some(FallbackAhead::after(kinds).checked_by(walk))
    }

    /// Says whether the limits allow a hop once `more` attempts have been made.
    fn permits(&self, more: usize) -> bool {
        let policy = &self.chains.policy;
        let made = self.tried.attempts() + self.earlier;
        self.tried.hops() < policy.max_fallbacks && made.saturating_add(more) < policy.max_attempts
    }

    fn open_chain(&mut self, kind: FailureKind) {
        let mut open = mem::take(&mut self.open);
        open.retain(|cursor| self.stays_open(cursor, kind));
        if let Some(chain) = self.chain_to_open(kind) {
            open.push(Cursor {
                of: self.current.group.clone(),
                chain: Arc::clone(chain),
                at: 0,
                reason: reason(kind),
            });
        }
        self.open = open;
    }

    /// What a provider refused is not taken elsewhere by chains made for outages or long prompts.
    fn stays_open(&self, cursor: &Cursor, kind: FailureKind) -> bool {
        kind != FailureKind::ContentPolicy
            || cursor.reason == FallbackReason::ContentPolicy
            || self.chains.all_outlast_refusal()
    }

    fn chain_to_open(&self, kind: FailureKind) -> Option<&Chain> {
        // The request's own list is the same for every group: its rest is open already.
        if self.chains.single().is_some() && !self.asked.is_empty() {
            return None;
        }
        self.chains.of(self.current.group.as_str(), kind)
    }

    /// Says whether a target of the chain of `of` was neither asked before nor is `of` itself under its bare name.
    fn is_fresh(&self, target: &Target, of: &ModelGroup) -> bool {
        let is = |other: &Target| self.chains.policy.is_same(target, other);
        !is(&self.current) && !self.asked.iter().any(is) && !is(&Target::new(of.clone()))
    }
}

impl LeadsOn for Walk {
    /// Targets that are skipped for a request with these extensions do not count.
    fn leads_on(&self, kind: FailureKind, extensions: &Extensions) -> bool {
        let policy = &self.chains.policy;
        let leads = |of: &ModelGroup, targets: &[Target]| {
            targets.iter().any(|target| {
                self.is_fresh(target, of)
                    && policy.serves(&target.group)
                    && !self.would_skip(target, extensions)
            })
        };
        let group = &self.current.group;
        let of_group = self.chain_to_open(kind);
        let mut open = self.open.iter();
        of_group.is_some_and(|chain| leads(group, chain))
            || open.any(|it| self.stays_open(it, kind) && leads(&it.of, it.rest()))
    }
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

    /// Returns the next target and stands behind it.
    fn next(&mut self) -> Option<Target> {
        let target = self.rest().first()?.clone();
        self.at += 1;
        Some(target)
    }
}

// === impl Hop ===

impl Hop {
    /// Directs a fresh copy of the request to the target, with the target's own settings.
    pub(crate) fn redirect(&self, extensions: &mut Extensions) {
        let target = &self.to;
        extensions.insert(target.group.clone());
        if !self.excluded.is_empty() {
            extensions.insert(Excluded(self.excluded.as_slice().into()));
        }
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
pub(crate) fn merge(own: Option<&Parameters>, target: &Target) -> Parameters {
    let Some(Parameters(own)) = own else {
        return Parameters(Arc::clone(&target.parameters));
    };
    let replaced = |name: &str| target.parameters.iter().any(|(other, _)| **other == *name);
    let kept = own.iter().filter(|(name, _)| !replaced(name));
    Parameters(kept.chain(&*target.parameters).cloned().collect())
}

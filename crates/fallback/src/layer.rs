use std::{collections::HashMap, sync::Arc, time::Duration};

use http::Extensions;
use tower_layer::Layer;
use ziggurat_core::{ByStatus, FailureKind, FailureKinds, ModelGroup, Wildcard, fallbacks::Table};

use crate::{policy::Policy, recovery::StreamRecovery, service::Fallback};

/// Asks other model groups after a failure. See the [crate page](crate).
#[derive(Clone, Debug)]
pub struct FallbackLayer<C = ByStatus> {
    policy: Policy,
    classify: C,
}

impl FallbackLayer {
    /// Asks the chains of `general` after a failure of any kind but a refusal of content.
    #[must_use]
    pub fn new(general: Table) -> Self {
        Self {
            policy: Policy::new(general),
            classify: ByStatus,
        }
    }
}

impl<C> FallbackLayer<C> {
    /// Sets the chains for prompts that do not fit the context window.
    ///
    /// A group without a chain there uses the general one.
    #[must_use]
    pub fn context_window(mut self, table: Table) -> Self {
        self.policy.context_window = Some(table);
        self
    }

    /// Sets the chains for content that a provider refused.
    ///
    /// A group without a chain there has no fallback after a refusal.
    #[must_use]
    pub fn content_policy(mut self, table: Table) -> Self {
        self.policy.content_policy = Some(table);
        self
    }

    /// Lets the general chains take content that a provider refused, as long as there is no content-policy table, an
    /// empty one included. Default: false.
    #[must_use]
    pub fn allow_generic_fallback_on_refusal(mut self, allow: bool) -> Self {
        self.policy.generic_on_refusal = allow;
        self
    }

    /// Limits the hops of a request, all chains taken together. 0 means no fallback. Default: 5, as in LiteLLM.
    #[must_use]
    pub fn max_fallbacks(mut self, hops: u32) -> Self {
        self.policy.max_fallbacks = hops;
        self
    }

    /// Starts no further hop once the request has made this many attempts, as [`Tried`](ziggurat_core::Tried) counts
    /// them. Default: no limit.
    ///
    /// Attempts are written by the retry layer and by balance: without either below, none are counted.
    #[must_use]
    pub fn max_attempts_per_request(mut self, attempts: usize) -> Self {
        self.policy.max_attempts = attempts;
        self
    }

    /// Sets which kinds of failure are followed by another group. Default: all.
    ///
    /// A failure of any other kind ends the walk, in the first group as in a later one. `follow` is asked about each
    /// kind once, here. For example
    /// `|kind| kind != FailureKind::BadRequest` keeps requests that are wrong in themselves from going round.
    #[must_use]
    pub fn fallback_on(
        mut self,
        follow: impl Fn(FailureKind) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.policy.follow = FailureKinds::of(follow);
        self
    }

    /// Sets what is done about streams that break after their first content has gone out: of chat and completions, of
    /// Anthropic's Messages, and of OpenAI's Responses. Default: nothing, the body fails. See the [crate page](crate#streams-that-break).
    #[must_use]
    pub fn stream_recovery(mut self, recovery: StreamRecovery) -> Self {
        self.policy.stream_recovery = recovery;
        self
    }

    /// Limits how long a client hears nothing new after its stream broke, however many are asked: this long, beside the time
    /// in which what it has was said, as that is to be said again. Zero is no limit. Default: 60 s.
    ///
    /// The smaller of [`StreamTimeout`](ziggurat_core::overrides::StreamTimeout) and
    /// [`Timeout`](ziggurat_core::overrides::Timeout) of a request takes its place.
    #[must_use]
    pub fn recovery_timeout(mut self, limit: Duration) -> Self {
        self.policy.recovery_timeout = limit;
        self
    }

    /// Tells which groups go on with an assistant's message that was begun, for [`StreamRecovery::Continue`]. Default: none.
    #[must_use]
    pub fn prefill(mut self, takes: impl Fn(&ModelGroup) -> bool + Send + Sync + 'static) -> Self {
        self.policy.prefill = Some(Arc::new(takes));
        self
    }

    /// Passes over a target for which `skip` returns true, for example one whose window is known to be too small.
    ///
    /// It sees the group and the extensions of the request, with the target's own
    /// [`Parameters`](ziggurat_core::overrides::Parameters) if it has any, and is asked only after a failure; then also by the retry
    /// layer, before it cuts its retries short for the sake of that target. A target that is passed over is no hop.
    #[must_use]
    pub fn skip(
        mut self,
        skip: impl Fn(&ModelGroup, &Extensions) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.policy.skip = Some(Arc::new(skip));
        self
    }

    /// Tells which names stand for which groups, so that a group is not asked again under another name.
    #[must_use]
    pub fn aliases(mut self, aliases: HashMap<ModelGroup, ModelGroup>) -> Self {
        self.policy.aliases = Arc::new(aliases);
        self
    }

    /// Names groups otherwise: a group without a chain under its own name gets the one under the first of its other names
    /// that has one, before that of any group. For aliases, and for names with and without a provider prefix.
    #[must_use]
    pub fn synonyms(mut self, names: HashMap<ModelGroup, Vec<ModelGroup>>) -> Self {
        self.policy.synonyms = Arc::new(names);
        self
    }

    /// Names groups by patterns: a group that matches one is there, and without a chain of its own it gets the one of the
    /// most specific pattern that has one.
    #[must_use]
    pub fn wildcards(mut self, patterns: impl IntoIterator<Item = Wildcard>) -> Self {
        let mut patterns: Vec<_> = patterns.into_iter().collect();
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.specificity()));
        self.policy.wildcards = patterns.into();
        self
    }

    /// Tells which groups there are. A target that is none of them is asked all the same, but retries are not cut short for
    /// its sake.
    #[must_use]
    pub fn served(mut self, groups: impl IntoIterator<Item = ModelGroup>) -> Self {
        self.policy.served = Some(Arc::new(groups.into_iter().collect()));
        self
    }

    /// Sets what tells successes from failures. It sees the heads of responses, and is cloned for each request.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> FallbackLayer<D> {
        FallbackLayer {
            policy: self.policy,
            classify,
        }
    }
}

impl<S, C: Clone> Layer<S> for FallbackLayer<C> {
    type Service = Fallback<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(inner, Arc::new(self.policy.clone()), self.classify.clone())
    }
}

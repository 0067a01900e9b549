use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use http::Extensions;
use ziggurat_core::{
    FailureKind, FailureKinds, ModelGroup, Wildcard,
    fallbacks::{Chain, Table, Target},
    overrides::Fallbacks,
};

use crate::recovery::StreamRecovery;

/// The default number of hops per request, LiteLLM's `max_fallbacks`.
const MAX_FALLBACKS: u32 = 5;

/// The default of how long a client may hear nothing new after its stream broke.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);

type Skip = Arc<dyn Fn(&ModelGroup, &Extensions) -> bool + Send + Sync>;

type Prefill = Arc<dyn Fn(&ModelGroup) -> bool + Send + Sync>;

/// What a layer was told.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) general: Table,
    pub(crate) context_window: Option<Table>,
    pub(crate) content_policy: Option<Table>,
    pub(crate) max_fallbacks: u32,
    pub(crate) max_attempts: usize,
    pub(crate) generic_on_refusal: bool,
    pub(crate) follow: FailureKinds,
    pub(crate) stream_recovery: StreamRecovery,
    /// How long a client may hear nothing new after its stream broke; zero is for ever.
    pub(crate) recovery_timeout: Duration,
    /// Says which groups go on with an assistant's message that was begun.
    pub(crate) prefill: Option<Prefill>,
    /// Says which targets are passed over.
    pub(crate) skip: Option<Skip>,
    /// What the aliases of groups stand for.
    pub(crate) aliases: Arc<HashMap<ModelGroup, ModelGroup>>,
    /// Other names of groups, in the order in which their chains are looked for.
    pub(crate) synonyms: Arc<HashMap<ModelGroup, Vec<ModelGroup>>>,
    /// The groups that there are, if that is known.
    pub(crate) served: Option<Arc<HashSet<ModelGroup>>>,
    /// Patterns of groups, the most specific first.
    pub(crate) wildcards: Arc<[Wildcard]>,
}

impl Policy {
    pub(crate) fn new(general: Table) -> Self {
        Self {
            general,
            context_window: None,
            content_policy: None,
            max_fallbacks: MAX_FALLBACKS,
            max_attempts: usize::MAX,
            generic_on_refusal: false,
            follow: FailureKinds::ALL,
            stream_recovery: StreamRecovery::Off,
            recovery_timeout: RECOVERY_TIMEOUT,
            prefill: None,
            skip: None,
            aliases: Arc::default(),
            synonyms: Arc::default(),
            served: None,
            wildcards: Arc::new([]),
        }
    }

    /// Says whether a group is known to go on with an assistant's message that was begun.
    pub(crate) fn takes_prefill(&self, group: &ModelGroup) -> bool {
        self.prefill.as_ref().is_some_and(|takes| takes(group))
    }

    /// Says whether a group may answer at all, as far as that is known.
    pub(crate) fn serves(&self, group: &ModelGroup) -> bool {
        let matches = || self.matching(group.as_str()).next().is_some();
        self.served
            .as_ref()
            .is_none_or(|served| served.contains(group) || matches())
    }

    /// Returns the patterns that a name matches.
    fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Wildcard> {
        let wildcards = self.wildcards.iter();
        wildcards.filter(move |pattern| pattern.matches(name).is_some())
    }

    /// Returns the chain of a group: under its own name, under its other names, under the patterns that it matches, then that
    /// of any group.
    fn look_up<'a>(&self, table: &'a Table, group: &str) -> Option<&'a Chain> {
        let named = table.named(group);
        named
            .or_else(|| {
                let mut synonyms = self.synonyms.get(group).into_iter().flatten();
                synonyms.find_map(|name| table.named(name.as_str()))
            })
            .or_else(|| {
                let mut patterns = self.matching(group);
                patterns.find_map(|pattern| table.named(pattern.as_str()))
            })
            .or_else(|| table.any())
    }

    /// Says whether a group would be passed over for a request with these extensions.
    pub(crate) fn skips(&self, group: &ModelGroup, extensions: &Extensions) -> bool {
        self.skip
            .as_ref()
            .is_some_and(|skip| skip(group, extensions))
    }

    /// Says whether two targets are the same but for the name that they give to their group.
    pub(crate) fn is_same(&self, a: &Target, b: &Target) -> bool {
        let real = |target: &Target| self.aliases.get(&target.group).cloned();
        let (real_a, real_b) = (real(a), real(b));
        if real_a.is_none() && real_b.is_none() {
            return a == b;
        }
        let named = |target: &Target, group: Option<ModelGroup>| {
            let mut named = target.clone();
            named.group = group.unwrap_or(named.group);
            named
        };
        named(a, real_a) == named(b, real_b)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("general", &self.general)
            .field("context_window", &self.context_window)
            .field("content_policy", &self.content_policy)
            .field("max_fallbacks", &self.max_fallbacks)
            .field("max_attempts", &self.max_attempts)
            .field("generic_on_refusal", &self.generic_on_refusal)
            .field("follow", &self.follow)
            .finish_non_exhaustive()
    }
}

/// The chains in force for one request: its own, else the configured ones.
#[derive(Clone)]
pub(crate) struct Chains {
    pub(crate) policy: Arc<Policy>,
    pub(crate) wishes: Option<Fallbacks>,
}

impl Chains {
    /// Returns the chain for a group that failed with `kind`.
    pub(crate) fn of(&self, group: &str, kind: FailureKind) -> Option<&Chain> {
        if let Some(chain) = self.single() {
            return Some(chain);
        }
        match kind {
            FailureKind::ContextWindow => self
                .context_window()
                .and_then(|table| self.policy.look_up(table, group))
                .or_else(|| self.policy.look_up(self.general(), group)),
            FailureKind::ContentPolicy => match self.content_policy() {
                Some(table) => self.policy.look_up(table, group),
                None if self.policy.generic_on_refusal => {
                    self.policy.look_up(self.general(), group)
                }
                None => None,
            },
            _ => self.policy.look_up(self.general(), group),
        }
    }

    /// Says whether some failure of a target leads to another one.
    pub(crate) fn lead_away_from(&self, target: &Target) -> bool {
        // Every other kind is treated like `Server`.
        [
            FailureKind::Server,
            FailureKind::ContextWindow,
            FailureKind::ContentPolicy,
        ]
        .into_iter()
        .filter_map(|kind| self.of(target.group.as_str(), kind))
        .any(|chain| chain.iter().any(|other| other != target))
    }

    /// The request's own list, which serves every kind of failure in every group.
    pub(crate) fn single(&self) -> Option<&Chain> {
        self.wishes.as_ref()?.chain.as_ref()
    }

    /// Says whether any chain may take a request that a provider refused.
    pub(crate) fn all_outlast_refusal(&self) -> bool {
        self.single().is_some()
            || (self.policy.generic_on_refusal && self.content_policy().is_none())
    }

    fn general(&self) -> &Table {
        self.wishes
            .as_ref()
            .and_then(|wishes| wishes.general.as_ref())
            .unwrap_or(&self.policy.general)
    }

    fn context_window(&self) -> Option<&Table> {
        self.wishes
            .as_ref()
            .and_then(|wishes| wishes.context_window.as_ref())
            .or(self.policy.context_window.as_ref())
    }

    fn content_policy(&self) -> Option<&Table> {
        self.wishes
            .as_ref()
            .and_then(|wishes| wishes.content_policy.as_ref())
            .or(self.policy.content_policy.as_ref())
    }
}

//! Fallback tables of a configuration, in the words of the fallback layer.

use std::collections::{HashMap, HashSet};

use ziggurat_config::{Config, FallbackTable, FallbackTarget};
use ziggurat_core::{
    ModelGroup,
    fallbacks::{Table, Target},
};
use ziggurat_edge::envelope;
use ziggurat_models::resolve;

use super::groups::Groups;

/// The tables, by kind of failure.
pub(super) struct Tables {
    pub(super) general: Table,
    pub(super) context_window: Table,
    pub(super) content_policy: Table,
}

pub(super) fn tables(config: &Config) -> Tables {
    Tables {
        general: table(&config.fallbacks.general),
        context_window: table(&config.fallbacks.context_window),
        content_policy: table(&config.fallbacks.content_policy),
    }
}

fn table(entries: &FallbackTable) -> Table {
    entries
        .iter()
        .map(|(key, chain)| (key.as_str(), chain.iter().map(target).collect::<Vec<_>>()))
        .collect()
}

/// Other names under which the chain of a group may stand: of an alias its group's, of a bare model name the one with
/// the provider that it leads to.
pub(super) fn synonyms(config: &Config) -> HashMap<ModelGroup, Vec<ModelGroup>> {
    let with_provider = |name: &str| with_provider(name).map(ModelGroup::from);
    let groups = config
        .deployments
        .iter()
        .map(|deployment| (deployment.model_name.as_str(), None));
    let aliases = config
        .aliases
        .iter()
        .map(|alias| (alias.name.as_str(), Some(alias.group.as_str())));
    let names = groups.chain(aliases).map(|(name, group)| {
        let others = [
            with_provider(name),
            group.map(ModelGroup::from),
            group.and_then(with_provider),
        ];
        (
            ModelGroup::from(name),
            others.into_iter().flatten().collect::<Vec<_>>(),
        )
    });
    names.filter(|(_, others)| !others.is_empty()).collect()
}

/// A bare model name with the provider before it that it leads to.
pub(super) fn with_provider(name: &str) -> Option<String> {
    let (provider, bare) = resolve(name, None, None).ok()?;
    (bare == name).then(|| format!("{}/{name}", provider.as_str()))
}

/// Returns which names stand for which groups.
pub(super) fn aliases(config: &Config) -> HashMap<ModelGroup, ModelGroup> {
    let aliases = config.aliases.iter();
    aliases
        .map(|alias| (alias.name.as_str().into(), alias.group.as_str().into()))
        .collect()
}

/// Returns the names whose ordinary failures lead to another group that is served.
pub(super) fn chained(config: &Config, groups: &Groups<'_>) -> HashSet<ModelGroup> {
    let (table, synonyms) = (table(&config.fallbacks.general), synonyms(config));
    let served = groups.served(config);
    let patterns: Vec<_> = groups.wildcards().collect();
    let is_served = |name: &ModelGroup| {
        let mut patterns = patterns.iter();
        served.contains(name) || patterns.any(|it| it.matches(name.as_str()).is_some())
    };
    let has_chain = |name: &ModelGroup| {
        let others = synonyms.get(name).into_iter().flatten();
        let mut names = [name].into_iter().chain(others);
        let chain = names.find_map(|name| table.named(name.as_str()));
        let targets = chain.or_else(|| table.any()).into_iter();
        let mut targets = targets.flat_map(|chain| chain.iter());
        targets.any(|target| target.group != *name && is_served(&target.group))
    };
    let names = groups.iter().map(|group| &group.name);
    names.filter(|name| has_chain(name)).cloned().collect()
}

fn target(configured: &FallbackTarget) -> Target {
    let mut target = Target::new(configured.model.as_str());
    target.timeout = configured.timeout;
    target.stream_timeout = configured.stream_timeout;
    target.stream_idle_timeout = configured.stream_idle_timeout;
    target.stream_total_timeout = configured.stream_total_timeout;
    target.max_retries = configured.num_retries;
    let forwarded = configured
        .parameters
        .iter()
        .filter(|(name, _)| envelope::is_forwarded(name));
    forwarded.fold(target, |target, (name, value)| {
        target.with_parameter(name.as_str(), value.to_string())
    })
}

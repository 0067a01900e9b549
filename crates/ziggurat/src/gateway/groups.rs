//! Which names lead to which deployments.

use std::collections::HashSet;

use ziggurat_config::{Config, Deployment};
use ziggurat_core::{ModelGroup, Wildcard};

/// A name, and the deployments that serve it.
pub(super) struct Members<'a> {
    pub(super) name: ModelGroup,
    pub(super) deployments: Vec<&'a Deployment>,
    pub(super) reached: Reached,
}

impl Members<'_> {
    /// Returns the pattern that the name is, if it is one of a group.
    pub(super) fn wildcard(&self) -> Option<Wildcard> {
        let pattern = || Wildcard::new(self.name.as_str());
        (self.reached == Reached::AsGroup).then(pattern).flatten()
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard().is_some()
    }
}

/// What the name of some deployments is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// That of a group, or another name of it.
    AsGroup,
    /// The id of the only one.
    ById,
    /// Their model, as configured.
    ByModel,
}

/// Returns all names: of groups, then, where no group has that name, ids of single deployments, then models as they are
/// configured.
///
/// A blocked deployment serves under no name.
pub(super) fn of(config: &Config) -> Vec<Members<'_>> {
    let mut groups: Vec<Members<'_>> = Vec::new();
    for deployment in config
        .deployments
        .iter()
        .filter(|deployment| !deployment.blocked)
    {
        add(
            &mut groups,
            &deployment.model_name,
            deployment,
            Reached::AsGroup,
        );
    }
    add_others(config, &mut groups);
    type Name = for<'a> fn(&'a Deployment) -> &'a str;
    let names: [(Name, Reached); 2] = [
        (|deployment| &deployment.id, Reached::ById),
        (|deployment| &deployment.litellm_model, Reached::ByModel),
    ];
    for (name, reached) in names {
        let mut more = Vec::new();
        for deployment in config
            .deployments
            .iter()
            .filter(|deployment| !deployment.blocked)
        {
            let name = name(deployment);
            // Patterns go before the names of models.
            let by_pattern = reached == Reached::ByModel && is_pattern_or_matches(&groups, name);
            if !has(&groups, name) && !by_pattern {
                add(&mut more, name, deployment, reached);
            }
        }
        groups.append(&mut more);
    }
    groups
}

/// Adds names for several groups together, and aliases that are not treated as their groups are.
fn add_others<'a>(config: &'a Config, groups: &mut Vec<Members<'a>>) {
    let mut more = Vec::new();
    for routing in &config.settings.balance.routing_groups {
        let members = groups.iter().filter(|group| {
            routing
                .models
                .iter()
                .any(|model| model == group.name.as_str())
        });
        for deployment in members.flat_map(|group| &group.deployments) {
            if !has(groups, &routing.name) {
                add(&mut more, &routing.name, deployment, Reached::AsGroup);
            }
        }
    }
    let policies = &config.settings.model_group_retry_policy;
    for alias in &config.aliases {
        let has_policy = policies.iter().any(|(name, _)| *name == alias.name);
        let mut chains = config.fallbacks.general.iter();
        let has_chain = chains.any(|(name, _)| *name == alias.name);
        let group = groups
            .iter()
            .find(|group| group.name.as_str() == alias.group);
        if let Some(group) =
            group.filter(|_| (has_policy || has_chain) && !has(groups, &alias.name))
        {
            more.push(Members {
                name: alias.name.as_str().into(),
                deployments: group.deployments.clone(),
                reached: Reached::AsGroup,
            });
        }
    }
    groups.append(&mut more);
}

/// Returns the groups that all their deployments are blocked in.
pub(super) fn closed<'a>(config: &'a Config, groups: &[Members<'_>]) -> Vec<&'a str> {
    let blocked = config
        .deployments
        .iter()
        .filter(|deployment| deployment.blocked);
    blocked
        .map(|deployment| &*deployment.model_name)
        .filter(|name| !has(groups, name))
        .collect()
}

/// Returns the names that a request can be served under, aliases included.
pub(super) fn served(config: &Config, groups: &[Members<'_>]) -> HashSet<ModelGroup> {
    let aliases = config
        .aliases
        .iter()
        .filter(|alias| has(groups, &alias.group) || is_pattern_or_matches(groups, &alias.group));
    let aliases = aliases.map(|alias| ModelGroup::from(alias.name.as_str()));
    groups
        .iter()
        .map(|group| group.name.clone())
        .chain(aliases)
        .collect()
}

/// Returns the patterns of groups.
pub(super) fn wildcards(groups: &[Members<'_>]) -> impl Iterator<Item = Wildcard> {
    groups.iter().filter_map(Members::wildcard)
}

/// Says whether a model's name is a pattern, or leads to the group of one.
fn is_pattern_or_matches(groups: &[Members<'_>], name: &str) -> bool {
    name.contains('*') || wildcards(groups).any(|pattern| pattern.matches(name).is_some())
}

fn has(groups: &[Members<'_>], name: &str) -> bool {
    groups.iter().any(|group| group.name.as_str() == name)
}

fn add<'a>(
    groups: &mut Vec<Members<'a>>,
    name: &str,
    deployment: &'a Deployment,
    reached: Reached,
) {
    match groups.iter_mut().find(|group| group.name.as_str() == name) {
        Some(group) => group.deployments.push(deployment),
        None => groups.push(Members {
            name: name.into(),
            deployments: vec![deployment],
            reached,
        }),
    }
}

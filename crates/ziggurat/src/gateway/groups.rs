//! Which names lead to which deployments.

use std::collections::HashSet;

use ziggurat_config::{Config, Deployment};
use ziggurat_core::ModelGroup;

/// A name, and the deployments that serve it.
pub(super) struct Members<'a> {
    pub(super) name: ModelGroup,
    pub(super) deployments: Vec<&'a Deployment>,
    /// The name is the id of its only deployment.
    pub(super) by_id: bool,
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
        add(&mut groups, &deployment.model_name, deployment, false);
    }
    type Name = for<'a> fn(&'a Deployment) -> &'a str;
    let names: [(Name, bool); 2] = [
        (|deployment| &deployment.id, true),
        (|deployment| &deployment.litellm_model, false),
    ];
    for (name, by_id) in names {
        let mut more = Vec::new();
        for deployment in config
            .deployments
            .iter()
            .filter(|deployment| !deployment.blocked)
        {
            if !has(&groups, name(deployment)) {
                add(&mut more, name(deployment), deployment, by_id);
            }
        }
        groups.append(&mut more);
    }
    groups
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
        .filter(|alias| has(groups, &alias.group));
    let aliases = aliases.map(|alias| ModelGroup::from(alias.name.as_str()));
    groups
        .iter()
        .map(|group| group.name.clone())
        .chain(aliases)
        .collect()
}

fn has(groups: &[Members<'_>], name: &str) -> bool {
    groups.iter().any(|group| group.name.as_str() == name)
}

fn add<'a>(groups: &mut Vec<Members<'a>>, name: &str, deployment: &'a Deployment, by_id: bool) {
    match groups.iter_mut().find(|group| group.name.as_str() == name) {
        Some(group) => group.deployments.push(deployment),
        None => groups.push(Members {
            name: name.into(),
            deployments: vec![deployment],
            by_id,
        }),
    }
}

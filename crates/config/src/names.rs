//! Which names lead to deployments: read once, for many look-ups.

use std::collections::{HashMap, HashSet};

use ziggurat_core::Wildcard;

use crate::{Config, Deployment};

/// The names of a configuration's deployments, and what else may be asked for.
pub(crate) struct Names<'a> {
    groups: ByName<'a>,
    ids: ByName<'a>,
    models: ByName<'a>,
    patterns: Vec<Wildcard>,
    aliases: HashMap<&'a str, &'a str>,
    routing_groups: HashSet<&'a str>,
}

/// Deployments under a name; none under one whose deployments are all blocked.
type ByName<'a> = HashMap<&'a str, Vec<&'a Deployment>>;

impl<'a> Names<'a> {
    pub(crate) fn of(config: &'a Config) -> Self {
        let by = |name: fn(&Deployment) -> &str| {
            let mut all = ByName::new();
            for one in &config.deployments {
                let same = all.entry(name(one)).or_default();
                same.extend((!one.blocked).then_some(one));
            }
            all
        };
        let groups = by(|one| &one.model_name);
        let aliases = config.aliases.iter();
        let routing_groups = config.settings.balance.routing_groups.iter();
        Self {
            patterns: groups.keys().copied().filter_map(Wildcard::new).collect(),
            groups,
            ids: by(|one| &one.id),
            models: by(|one| &one.litellm_model),
            aliases: aliases
                .map(|alias| (alias.name.as_str(), alias.group.as_str()))
                .collect(),
            routing_groups: routing_groups.map(|group| group.name.as_str()).collect(),
        }
    }

    /// Whether a name leads to a deployment, through an alias or a routing group too.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        self.is_deployment(name)
            || self.aliases.contains_key(name)
            || self.routing_groups.contains(name)
    }

    /// Whether a name is that of a deployment: of its group, its own id, or its model's.
    pub(crate) fn is_deployment(&self, name: &str) -> bool {
        let named = [&self.groups, &self.ids, &self.models];
        let mut patterns = self.patterns.iter();
        named.iter().any(|all| all.contains_key(name))
            || patterns.any(|pattern| pattern.matches(name).is_some())
    }

    /// The deployments of each group.
    pub(crate) fn all(&self) -> impl Iterator<Item = &[&'a Deployment]> {
        self.groups.values().map(Vec::as_slice)
    }

    /// The group that an alias stands for.
    pub(crate) fn alias(&self, name: &str) -> Option<&'a str> {
        self.aliases.get(name).copied()
    }

    /// The deployments that a name stands for: of a group, of an alias, or a single one by its id.
    pub(crate) fn deployments(&self, name: &str) -> &[&'a Deployment] {
        let alias = || {
            Some(
                self.groups
                    .get(self.alias(name)?)
                    .map_or(&[][..], Vec::as_slice),
            )
        };
        self.groups
            .get(name)
            .map(Vec::as_slice)
            .or_else(alias)
            .or_else(|| self.ids.get(name).map(Vec::as_slice))
            .or_else(|| self.models.get(name).map(Vec::as_slice))
            .unwrap_or_default()
    }
}

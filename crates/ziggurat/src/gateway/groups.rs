//! Which names lead to which deployments.

use std::collections::{HashMap, HashSet};

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

/// All names, each once, in the order in which they are looked for.
pub(super) struct Groups<'a> {
    all: Vec<Members<'a>>,
    places: HashMap<&'a str, usize>,
}

// === impl Groups ===

impl<'a> Groups<'a> {
    /// Returns all names: of groups, then, where no group has that name, ids of single deployments, then models as they
    /// are configured.
    ///
    /// A blocked deployment serves under no name.
    pub(super) fn of(config: &'a Config) -> Self {
        let mut groups = Self {
            all: Vec::new(),
            places: HashMap::new(),
        };
        let open = || config.deployments.iter().filter(|one| !one.blocked);
        for one in open() {
            groups.add(0, &one.model_name, one, Reached::AsGroup);
        }
        groups.add_others(config);
        let known = groups.all.len();
        for one in open() {
            groups.add(known, &one.id, one, Reached::ById);
        }
        // Patterns go before the names of models.
        let patterns: Vec<_> = groups.wildcards().collect();
        let known = groups.all.len();
        for one in open() {
            let model = one.litellm_model.as_str();
            if !is_pattern_or_matches(&patterns, model) {
                groups.add(known, model, one, Reached::ByModel);
            }
        }
        groups
    }

    /// Adds names for several groups together, and aliases that are not treated as their groups are.
    fn add_others(&mut self, config: &'a Config) {
        let known = self.all.len();
        for routing in &config.settings.balance.routing_groups {
            let models: HashSet<_> = routing.models.iter().map(String::as_str).collect();
            let members = self.all[..known].iter();
            let members = members.filter(|group| models.contains(group.name.as_str()));
            let deployments: Vec<_> = members
                .flat_map(|group| &group.deployments)
                .copied()
                .collect();
            for deployment in deployments {
                self.add(known, &routing.name, deployment, Reached::AsGroup);
            }
        }
        let policies = config.settings.model_group_retry_policy.iter();
        let chains = config.fallbacks.general.iter();
        let special: HashSet<_> = policies
            .map(|(name, _)| name)
            .chain(chains.map(|(name, _)| name))
            .collect();
        for alias in &config.aliases {
            let place = self
                .places
                .get(alias.group.as_str())
                .filter(|place| **place < known);
            if let Some(&place) =
                place.filter(|_| special.contains(&alias.name) && !self.has(&alias.name))
            {
                let deployments = self.all[place].deployments.clone();
                self.push(&alias.name, deployments, Reached::AsGroup);
            }
        }
    }

    /// Adds a deployment to those of a name, unless one of the first `known` names is the same.
    fn add(&mut self, known: usize, name: &'a str, deployment: &'a Deployment, reached: Reached) {
        match self.places.get(name) {
            Some(&place) if place < known => {}
            Some(&place) => self.all[place].deployments.push(deployment),
            None => self.push(name, vec![deployment], reached),
        }
    }

    fn push(&mut self, name: &'a str, deployments: Vec<&'a Deployment>, reached: Reached) {
        self.places.insert(name, self.all.len());
        self.all.push(Members {
            name: name.into(),
            deployments,
            reached,
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Members<'a>> {
        self.all.iter()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Members<'a>> {
        Some(&self.all[*self.places.get(name)?])
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Returns the groups that all their deployments are blocked in.
    pub(super) fn closed(&self, config: &'a Config) -> HashSet<&'a str> {
        let blocked = config.deployments.iter().filter(|one| one.blocked);
        blocked
            .map(|one| one.model_name.as_str())
            .filter(|name| !self.has(name))
            .collect()
    }

    /// Returns the names that a request can be served under, aliases included.
    pub(super) fn served(&self, config: &Config) -> HashSet<ModelGroup> {
        let patterns: Vec<_> = self.wildcards().collect();
        let aliases = config.aliases.iter();
        let aliases = aliases
            .filter(|alias| {
                self.has(&alias.group) || is_pattern_or_matches(&patterns, &alias.group)
            })
            .map(|alias| ModelGroup::from(alias.name.as_str()));
        self.iter()
            .map(|group| group.name.clone())
            .chain(aliases)
            .collect()
    }

    /// Returns the patterns of groups.
    pub(super) fn wildcards(&self) -> impl Iterator<Item = Wildcard> {
        self.iter().filter_map(Members::wildcard)
    }
}

/// Says whether a model's name is a pattern, or leads to the group of one.
fn is_pattern_or_matches(patterns: &[Wildcard], name: &str) -> bool {
    name.contains('*')
        || patterns
            .iter()
            .any(|pattern| pattern.matches(name).is_some())
}

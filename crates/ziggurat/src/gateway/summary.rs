//! What a gateway serves, for people and listings. No keys.

use std::fmt;

use ziggurat_config::{Config, Deployment, Finding, LeftOut};

use super::{
    notes,
    table::{self, Table},
};

/// What a gateway serves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// The groups, in the order of the configuration.
    pub groups: Vec<GroupSummary>,
    /// Other names of groups: the name, the group, and whether it is kept out of listings.
    pub aliases: Vec<(String, String, bool)>,
    /// Names of several groups together.
    pub routing_groups: Vec<String>,
    /// Deployments that cannot serve.
    pub left_out: Vec<LeftOut>,
    /// Warnings about the configuration.
    pub findings: Vec<Finding>,
    /// What settings mean here, and which deployments they concern.
    pub notes: Vec<String>,
    table: Table,
}

/// A group and its deployments.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupSummary {
    /// The model name that clients use.
    pub name: String,
    /// Its deployments: id, model as configured, and base URL if one is configured.
    pub deployments: Vec<(String, String, Option<String>)>,
}

impl Summary {
    /// Sums a configuration up.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let line = |deployment: &Deployment| {
            let api_base = deployment.api_base.as_deref().map(shown);
            (
                deployment.id.clone(),
                deployment.litellm_model.clone(),
                api_base,
            )
        };
        let groups = table::groups(config).into_iter();
        let groups = groups.map(|(name, deployments)| GroupSummary {
            name: name.to_owned(),
            deployments: deployments.into_iter().map(line).collect(),
        });
        let groups: Vec<_> = groups.collect();
        let aliases = config
            .aliases
            .iter()
            .map(|alias| (alias.name.clone(), alias.group.clone(), alias.hidden));
        Self {
            routing_groups: routing_groups(config, &groups),
            groups,
            aliases: aliases.collect(),
            left_out: config.left_out.clone(),
            findings: config.findings.clone(),
            notes: notes::of(config),
            table: Table::of(config),
        }
    }

    /// Returns the names that clients may use and that are listed: groups, then visible aliases, then groups of groups.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let known = |group: &str| self.groups.iter().any(|known| known.name == group);
        let aliases = self
            .aliases
            .iter()
            .filter(move |(_, group, hidden)| !hidden && known(group));
        self.groups
            .iter()
            .map(|group| group.name.as_str())
            .chain(aliases.map(|(name, ..)| name.as_str()))
            .chain(self.routing_groups.iter().map(String::as_str))
    }

    /// Returns the number of deployments that serve.
    #[must_use]
    pub fn deployments(&self) -> usize {
        self.groups
            .iter()
            .map(|group| group.deployments.len())
            .sum()
    }
}

/// The deployments of each group in a table, then other names, then the names of what was left out, then notes.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        for (alias, group, _) in &self.aliases {
            writeln!(f, "  {alias} = {group}")?;
        }
        if let Some(names) = left_out(&self.left_out) {
            writeln!(f, "  left out: {names}")?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}

/// The names of several groups together that someone serves, unless a group has them.
fn routing_groups(config: &Config, groups: &[GroupSummary]) -> Vec<String> {
    let known = |name: &str| groups.iter().any(|group| group.name == name);
    let routing = config.settings.balance.routing_groups.iter();
    let served = routing
        .filter(|routing| !known(&routing.name) && routing.models.iter().any(|model| known(model)));
    served.map(|routing| routing.name.clone()).collect()
}

/// The groups of deployments that cannot serve, each once; of many, the first ones.
fn left_out(all: &[LeftOut]) -> Option<String> {
    const SHOWN: usize = 8;
    let mut names: Vec<_> = all.iter().map(|one| one.model_name.as_str()).collect();
    names.dedup();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let more = match more {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let names = names.join(", ");
    (!all.is_empty()).then(|| format!("{names}{more} ({} in all)", all.len()))
}

/// A base URL without what may hold a secret: user, password and query.
#[must_use]
pub fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

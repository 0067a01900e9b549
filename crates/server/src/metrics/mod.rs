//! Counts of requests and attempts, for Prometheus.

mod cells;
mod print;

use std::{fmt, sync::Arc};

use ziggurat::{
    config::{Config, Deployment},
    core::{
        DeploymentId, NameMap, Observer, Tried, Wildcard,
        observe::{AttemptEnd, RequestEnd},
    },
};

pub(crate) use self::print::CONTENT_TYPE as METRICS_TYPE;

use self::cells::{DeploymentCells, ModelCells};
use crate::in_flight::InFlight;

/// Counts how requests and attempts end, under names of the configuration only: what clients send is no label.
///
/// It is made for one configuration, and goes on counting in the next one's: see [`after`](Self::after).
pub struct Metrics {
    models: NameMap<String, Arc<ModelCells>>,
    /// Names with wildcards, the most specific first.
    patterns: Vec<(Wildcard, Arc<ModelCells>)>,
    /// All models that no name stands for.
    other: Arc<ModelCells>,
    deployments: NameMap<DeploymentId, Arc<DeploymentCells>>,
    in_flight: InFlight,
}

/// The name of all models that the configuration does not name.
const OTHER: &str = "other";

// === impl Metrics ===

impl Metrics {
    /// Begins to count for a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::build(config, None)
    }

    /// Goes on to count for another configuration: names and deployments that both have keep their counts.
    #[must_use]
    pub fn after(&self, config: &Config) -> Self {
        Self::build(config, Some(self))
    }

    fn build(config: &Config, before: Option<&Self>) -> Self {
        let cells = |name: &str| {
            let known = before.and_then(|before| before.models.get(name));
            known.map_or_else(Arc::default, Arc::clone)
        };
        let aliases = config.aliases.iter().map(|alias| alias.name.as_str());
        let routing = config.settings.balance.routing_groups.iter();
        let names = serving(config)
            .map(|one| one.model_name.as_str())
            .chain(aliases)
            .chain(routing.map(|group| group.name.as_str()));
        let mut models: NameMap<_, _> = names.map(|name| (name.to_owned(), cells(name))).collect();
        let other = Arc::clone(
            models
                .entry(OTHER.to_owned())
                .or_insert_with(|| cells(OTHER)),
        );
        let mut patterns: Vec<_> = models
            .iter()
            .filter_map(|(name, cells)| Some((Wildcard::new(name)?, Arc::clone(cells))))
            .collect();
        patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.specificity()));
        let deployments = serving(config).map(|one| {
            let id = DeploymentId::from(one.id.as_str());
            let known = before.and_then(|before| before.deployments.get(&id));
            let cells = known.filter(|cells| cells.is_of(one)).map(Arc::clone);
            (
                id,
                cells.unwrap_or_else(|| DeploymentCells::new(one).into()),
            )
        });
        Self {
            deployments: deployments.collect(),
            models,
            patterns,
            other,
            in_flight: before.map_or_else(InFlight::default, |before| before.in_flight.clone()),
        }
    }

    /// The requests under way, under this configuration and those before.
    pub(crate) const fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Finds the cells of what a request asked for. A name that leads to a group by another way, as the id of a deployment,
    /// counts for the group.
    fn model(&self, end: &RequestEnd<'_>) -> &ModelCells {
        let Some(name) = end.asked.map(|asked| asked.model.as_str()) else {
            return &self.other;
        };
        let matching = || {
            let mut patterns = self.patterns.iter();
            let (_, cells) = patterns.find(|(pattern, _)| pattern.matches(name).is_some())?;
            Some(cells)
        };
        let named = self.models.get(name).or_else(matching);
        named
            .or_else(|| self.models.get(self.first_group(end.tried)?))
            .unwrap_or(&self.other)
    }

    /// Returns the group that was asked before any fallback.
    fn first_group(&self, tried: &Tried) -> Option<&str> {
        let first = tried.read(|attempts| {
            let first = attempts.first().filter(|attempt| attempt.hop == 0);
            first?.deployment.clone()
        });
        Some(self.deployments.get(&first?)?.group.as_str())
    }
}

fn serving(config: &Config) -> impl Iterator<Item = &Deployment> {
    config.deployments.iter().filter(|one| !one.blocked)
}

impl Observer for Metrics {
    fn attempt_ended(&self, end: &AttemptEnd<'_>) {
        let cells = end.deployment.and_then(|id| self.deployments.get(id));
        if let Some(cells) = cells {
            cells.attempt_ended(end.call);
        }
    }

    fn request_ended(&self, end: &RequestEnd<'_>) {
        let (retries, hops) = again(end.tried);
        self.model(end).request_ended(end.call, retries, hops);
    }
}

/// Returns how often a request was sent again within its groups, and to other groups.
fn again(tried: &Tried) -> (u64, u64) {
    let retries = tried.read(|attempts| {
        let sent = attempts.iter().filter(|attempt| !attempt.unsent);
        // Attempts stand in the order of their hops: the first of each is no retry.
        let hops = sent.clone().map(|attempt| attempt.hop);
        let earlier = sent.map(|attempt| attempt.hop);
        hops.skip(1)
            .zip(earlier)
            .filter(|(it, before)| it == before)
            .count()
    });
    (retries as u64, u64::from(tried.hops()))
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

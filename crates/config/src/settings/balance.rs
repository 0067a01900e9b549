//! How one of several deployments is chosen.

use std::{fmt, time::Duration};

use serde_yaml::Value;

use super::{Named, flag};
use crate::{
    keys,
    location::Path,
    scalar::{self, Read},
    section::Section,
};

/// Samples of a deployment that count: LiteLLM's own default.
const MAX_LATENCY_LIST_SIZE: u32 = 10;
/// How long samples count: LiteLLM's own default.
const TTL: Duration = Duration::from_secs(3600);

/// The settings of load balancing, all of `router_settings`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BalanceSettings {
    /// The strategy for groups without one of their own; see [`BalanceSettings::strategy_for`].
    pub routing_strategy: Strategy,
    /// What the strategy is told.
    pub routing_strategy_args: StrategyArgs,
    /// Groups of models with strategies of their own.
    pub routing_groups: Vec<RoutingGroup>,
    /// Requests at a time on deployments that do not say; `None`: any number.
    pub default_max_parallel_requests: Option<u32>,
    /// How long a request waits for a free slot; zero by default: not at all.
    pub max_parallel_wait: Duration,
    /// Whether tags of requests choose deployments.
    pub enable_tag_filtering: bool,
    /// Whether one common tag suffices; true by default.
    pub tag_filtering_match_any: bool,
}

/// `routing_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// `simple-shuffle`.
    #[default]
    SimpleShuffle,
    /// `least-busy`.
    LeastBusy,
    /// `usage-based-routing`.
    UsageBased,
    /// `usage-based-routing-v2`.
    UsageBasedV2,
    /// `latency-based-routing`.
    LatencyBased,
    /// `peak-ewma`, which LiteLLM does not have.
    PeakEwma,
    /// `cost-based-routing`.
    CostBased,
}

/// `routing_strategy_args`. Only [`Strategy::LatencyBased`] takes any, and of them only
/// [`lowest_latency_buffer`](Self::lowest_latency_buffer) is active.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StrategyArgs {
    /// How long samples count; 3600 s by default.
    pub ttl: Duration,
    /// How much slower than the fastest a deployment may be to be chosen as well, as a share of the
    /// fastest; 0 by default.
    pub lowest_latency_buffer: f64,
    /// Samples of a deployment that count; 10 by default.
    pub max_latency_list_size: u32,
    /// The percentile of the times to the first chunk that streams are compared by, from 0 to 1;
    /// `None`: their mean. Values above 1 are read as per cent.
    pub ttft_percentile: Option<f64>,
}

/// One of `routing_groups`: models with a strategy of their own, that may be called by the name of
/// the group.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoutingGroup {
    /// `group_name`.
    pub name: String,
    /// The model groups in it, each in no other.
    pub models: Vec<String>,
    /// Its strategy; that of the router if it names none.
    pub routing_strategy: Strategy,
    /// What the strategy is told; as the router says if the group has no strategy of its own.
    pub routing_strategy_args: StrategyArgs,
}

// === impl BalanceSettings ===

impl BalanceSettings {
    pub(super) fn read(router: &mut Section<'_>, named: &mut Vec<Named>) -> Self {
        let routing_strategy = Strategy::read(router).unwrap_or_default();
        let mut settings = Self {
            routing_strategy,
            routing_strategy_args: StrategyArgs::read(router, routing_strategy),
            routing_groups: Vec::new(),
            default_max_parallel_requests: router
                .read("default_max_parallel_requests", scalar::count)
                .filter(|&requests| requests > 0),
            max_parallel_wait: router
                .read("max_parallel_wait", scalar::seconds)
                .unwrap_or_default(),
            enable_tag_filtering: flag(router, "enable_tag_filtering"),
            tag_filtering_match_any: router
                .read("tag_filtering_match_any", scalar::flag)
                .unwrap_or(true),
        };
        settings.read_groups(router, named);
        settings
    }

    /// Returns the strategy of a model group, and what it is told.
    #[must_use]
    pub fn strategy_for(&self, group: &str) -> (Strategy, &StrategyArgs) {
        let holds = |routing: &&RoutingGroup| routing.models.iter().any(|model| model == group);
        match self.routing_groups.iter().find(holds) {
            Some(routing) => (routing.routing_strategy, &routing.routing_strategy_args),
            None => (self.routing_strategy, &self.routing_strategy_args),
        }
    }

    fn read_groups(&mut self, router: &mut Section<'_>, named: &mut Vec<Named>) {
        let path = router.path.key("routing_groups");
        let value = router.get("routing_groups");
        let list = value.and_then(Value::as_sequence);
        if let Some(value) = value.filter(|value| list.is_none() && !value.is_null()) {
            router.error(&path, scalar::expected("a list of groups", value));
        }
        for (index, value) in list.into_iter().flatten().enumerate() {
            let path = path.index(index);
            let mut section = Section::open(router.document, path, Some(value));
            section.check_keys(&keys::ROUTING_GROUP);
            if let Some(group) = self.read_group(&mut section, named) {
                self.routing_groups.push(group);
            }
            router.findings.append(&mut section.findings);
        }
    }

    fn read_group(
        &self,
        section: &mut Section<'_>,
        named: &mut Vec<Named>,
    ) -> Option<RoutingGroup> {
        let name = section.read("group_name", scalar::text);
        let models = section.read("models", scalar::texts).unwrap_or_default();
        let strategy = Strategy::read(section);
        let args = strategy.map(|strategy| StrategyArgs::read(section, strategy));
        let path = section.path.key("group_name");
        let Some(name) = name else {
            if section.findings.is_empty() {
                section.error(&path, "every routing group needs a `group_name`");
            }
            return None;
        };
        if name == "default" {
            section.error(&path, "the name is reserved for all other models");
        }
        if self.routing_groups.iter().any(|group| group.name == name) {
            section.error(&path, "the name is taken by another routing group");
        }
        self.check_models(section, &models, named);
        Some(RoutingGroup {
            name,
            models,
            routing_strategy: strategy.unwrap_or(self.routing_strategy),
            routing_strategy_args: args.unwrap_or_else(|| self.routing_strategy_args.clone()),
        })
    }

    fn check_models(&self, section: &mut Section<'_>, models: &[String], named: &mut Vec<Named>) {
        let path = section.path.key("models");
        if models.is_empty() && section.get("models").is_none_or(Value::is_sequence) {
            section.error(&path, "every routing group needs `models`");
        }
        for (index, model) in models.iter().enumerate() {
            let path = item(section, "models", &path, index);
            let mut groups = self.routing_groups.iter();
            if groups.any(|group| group.models.contains(model)) {
                section.error(&path, "the model is in another routing group");
            }
            named.push(Named::new(section, model, &path));
        }
    }
}

/// The path of an item of a list, or of the single text that stands for a list of one.
fn item(section: &Section<'_>, key: &str, path: &Path, index: usize) -> Path {
    match section.get(key) {
        Some(Value::Sequence(_)) => path.index(index),
        _ => path.clone(),
    }
}

// === impl Strategy ===

impl Strategy {
    pub(crate) const ALL: [Self; 7] = [
        Self::SimpleShuffle,
        Self::LeastBusy,
        Self::UsageBased,
        Self::UsageBasedV2,
        Self::LatencyBased,
        Self::PeakEwma,
        Self::CostBased,
    ];

    /// Returns the name that the strategy has in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SimpleShuffle => "simple-shuffle",
            Self::LeastBusy => "least-busy",
            Self::UsageBased => "usage-based-routing",
            Self::UsageBasedV2 => "usage-based-routing-v2",
            Self::LatencyBased => "latency-based-routing",
            Self::PeakEwma => "peak-ewma",
            Self::CostBased => "cost-based-routing",
        }
    }

    /// Reads `routing_strategy`. An unknown one is an error, one that is not active a finding.
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let name = section.read("routing_strategy", scalar::text)?;
        let strategy = Self::ALL.into_iter().find(|known| known.as_str() == name);
        let path = section.path.key("routing_strategy");
        if strategy.is_some() {
            return strategy;
        }
        if name == keys::BUDGET_ROUTING {
            section.not_active(&path, &format!(" {name}; simple-shuffle is used"));
            return Some(Self::SimpleShuffle);
        }
        let known = Self::ALL.map(Self::as_str).join(", ");
        let budget = keys::BUDGET_ROUTING;
        section.error(
            &path,
            format!("unknown strategy; known are {known}, {budget}"),
        );
        None
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl StrategyArgs ===

impl StrategyArgs {
    fn read(parent: &mut Section<'_>, strategy: Strategy) -> Self {
        let mut section = parent.section("routing_strategy_args");
        section.check_keys(&keys::STRATEGY_ARGS);
        if strategy != Strategy::LatencyBased {
            for (key, value) in section.entries() {
                let known = matches!(keys::STRATEGY_ARGS.lookup(&key), keys::Known::Active);
                if known && !value.is_null() {
                    let path = section.path.key(&key);
                    section.not_active(&path, "; only latency-based-routing takes it");
                }
            }
        }
        let size = section.read("max_latency_list_size", scalar::count);
        let args = Self {
            ttl: section.read("ttl", scalar::seconds).unwrap_or(TTL),
            lowest_latency_buffer: section
                .read("lowest_latency_buffer", scalar::number)
                .unwrap_or(0.0),
            max_latency_list_size: size
                .filter(|&size| size > 0)
                .unwrap_or(MAX_LATENCY_LIST_SIZE),
            ttft_percentile: section.read("ttft_percentile", percentile),
        };
        parent.findings.append(&mut section.findings);
        args
    }
}

impl Default for StrategyArgs {
    fn default() -> Self {
        Self {
            ttl: TTL,
            lowest_latency_buffer: 0.0,
            max_latency_list_size: MAX_LATENCY_LIST_SIZE,
            ttft_percentile: None,
        }
    }
}

fn percentile(value: &Value) -> Read<f64> {
    match scalar::number(value)? {
        Some(percentile) if percentile > 100.0 => Err("must be between 0 and 100".to_owned()),
        Some(percentile) if percentile > 1.0 => Ok(Some(percentile / 100.0)),
        percentile => Ok(percentile),
    }
}

//! What a gateway leaves to the one that takes its place, beside the board.

use std::{collections::HashMap, sync::Arc};

use tower::retry::budget::{Budget, TpsBudget};
use ziggurat_config::{Config, RetryBudget};
use ziggurat_cooldown::{Breaker, Rules};
use ziggurat_core::Vitals;
use ziggurat_region::RegionFilterLayer;

use super::endpoint::Parts;

/// How many retries all requests together may cost.
pub(super) type SharedBudget = Arc<dyn Budget + Send + Sync>;

/// State that is kept neither in the board nor in the connections.
#[derive(Default)]
pub(super) struct Kept {
    /// By their ids: the regions that deployments have told, and the failures that were counted.
    deployments: HashMap<String, (RegionFilterLayer, Breaker)>,
    budget: Option<(RetryBudget, SharedBudget)>,
}

impl Kept {
    pub(super) fn of(
        config: &Config,
        parts: &HashMap<String, Parts>,
        budget: Option<SharedBudget>,
    ) -> Self {
        let deployment = |(id, parts): (&String, &Parts)| {
            let state = (parts.region().clone(), parts.breaker().clone());
            (id.clone(), state)
        };
        Self {
            deployments: parts.iter().map(deployment).collect(),
            budget: config.settings.retry_budget.zip(budget),
        }
    }

    pub(super) fn region(&self, id: &str) -> Option<&RegionFilterLayer> {
        self.deployments.get(id).map(|(region, _)| region)
    }

    /// Goes on with what was counted of a deployment, unless it was forgotten meanwhile.
    pub(super) fn breaker(&self, id: &str, vitals: Arc<Vitals>, rules: Rules) -> Breaker {
        let known = self.deployments.get(id).map(|(_, breaker)| breaker);
        match known.filter(|known| Arc::ptr_eq(known.vitals(), &vitals)) {
            Some(known) => known.with_rules(rules),
            None => Breaker::new(vitals, rules),
        }
    }

    /// The budget of a configuration: the one at hand, if it is like that.
    pub(super) fn budget(&self, config: &Config) -> Option<SharedBudget> {
        let wanted = config.settings.retry_budget?;
        let known = self.budget.as_ref();
        let known = known.filter(|(settings, _)| *settings == wanted);
        let make = || {
            let budget = TpsBudget::new(wanted.ttl, wanted.min_per_second, wanted.ratio);
            Arc::new(budget) as SharedBudget
        };
        Some(known.map_or_else(make, |(_, budget)| Arc::clone(budget)))
    }
}

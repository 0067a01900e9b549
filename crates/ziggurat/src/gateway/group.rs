//! The stack of one group: `Retry · Balance · [deployment]`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tower_layer::Layer;
use ziggurat_balance::{Balance, LatencyBased, Strategy, TagMatch};
use ziggurat_config::{Config, Deployment};
use ziggurat_cooldown as cooldown;
use ziggurat_core::ModelGroup;
use ziggurat_retry::{RetryLayer, RetryPolicy};

use super::{
    Group,
    assemble::attempt_cap,
    endpoint::{Membership, Parts},
    fallbacks,
    groups::{Groups, Members, Reached},
    health::Routing,
    kept::SharedBudget,
};

/// Builds groups; they share what holds for all of them.
pub(super) struct Builder<'a> {
    pub(super) config: &'a Config,
    parts: &'a HashMap<String, Parts>,
    /// The groups whose failures lead to another one.
    chained: HashSet<ModelGroup>,
    budget: Option<SharedBudget>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        config: &'a Config,
        parts: &'a HashMap<String, Parts>,
        groups: &Groups<'_>,
        budget: Option<SharedBudget>,
    ) -> Self {
        Self {
            config,
            parts,
            chained: fallbacks::chained(config, groups),
            budget,
        }
    }

    pub(super) fn build(&self, members: &Members<'_>) -> Group {
        let parts: Vec<_> = self.parts_of(members).collect();
        let membership = self.membership(members);
        let endpoints = parts
            .iter()
            .map(|(deployment, parts)| parts.endpoint(self.config, deployment, &membership));
        let settings = &self.config.settings;
        let mut balance = Balance::with_policy(endpoints, self.strategy(members))
            .max_parallel_wait(settings.balance.max_parallel_wait)
            .cooldown_wait(settings.cooldown.wait)
            .last_resort(membership.last_resort);
        if let Routing::Filter(staleness) = Routing::of(self.config) {
            balance = balance.health_routing(staleness);
        }
        // Who asks for a deployment by its id wants this one, whatever else is set.
        if members.reached != Reached::ById {
            balance = balance.enforce_limits(
                settings.enable_pre_call_checks || settings.enforce_model_rate_limits,
            );
            balance = match (
                settings.balance.enable_tag_filtering,
                settings.balance.tag_filtering_match_any,
            ) {
                (false, _) => balance,
                (true, true) => balance.tag_filtering(TagMatch::Any),
                (true, false) => balance.tag_filtering(TagMatch::All),
            };
        }
        self.retry(members).layer(balance)
    }

    fn retry(&self, members: &Members<'_>) -> RetryLayer {
        let settings = &self.config.settings;
        let mut retry = RetryLayer::new(settings.num_retries)
            .min_delay(settings.retry_after)
            .exhaust_untried(settings.enable_weighted_failover);
        if let Some(policy) = settings.retry_policy_for(members.name.as_str()) {
            retry = retry.policy(retry_policy(policy));
        }
        if let Some(budget) = &self.budget {
            retry = retry.budget(Arc::clone(budget));
        }
        match attempt_cap(self.config) {
            Some(attempts) => retry.max_attempts_per_request(attempts),
            None => retry,
        }
    }

    fn parts_of<'b>(
        &'b self,
        members: &'b Members<'_>,
    ) -> impl Iterator<Item = (&'b Deployment, &'b Parts)> {
        let deployments = members.deployments.iter();
        deployments.filter_map(|&deployment| Some((deployment, self.parts.get(&deployment.id)?)))
    }

    pub(super) fn membership(&self, members: &Members<'_>) -> Membership {
        let settings = &self.config.settings.cooldown;
        let vitals = self
            .parts_of(members)
            .map(|(_, parts)| parts.breaker().vitals().clone());
        let is_single = self.parts_of(members).count() == 1;
        // Checks may be wrong: they alone must not keep everyone away.
        let checks_count = Routing::of(self.config) == Routing::Cooldown;
        let has_chain = self.chained.contains(&members.name);
        Membership {
            group: cooldown::Group::new(vitals, settings.max_ejected),
            alone: members.reached == Reached::ById
                || members.is_wildcard()
                || (is_single && !has_chain),
            last_resort: settings.last_resort || checks_count,
            last_resort_after_any_failure: checks_count,
            checks_prompts: members.reached != Reached::ById,
        }
    }

    fn strategy(&self, members: &Members<'_>) -> Strategy {
        let settings = &self.config.settings.balance;
        let (strategy, args) = settings.strategy_for(members.name.as_str());
        match Strategy::named(strategy.as_str()).unwrap_or_default() {
            Strategy::LatencyBased(_) => {
                Strategy::LatencyBased(LatencyBased::new().buffer(args.lowest_latency_buffer))
            }
            strategy => strategy,
        }
    }
}

fn retry_policy(configured: &ziggurat_config::RetryPolicy) -> RetryPolicy {
    let mut policy = RetryPolicy::new();
    policy.bad_request = configured.bad_request;
    policy.authentication = configured.authentication;
    policy.timeout = configured.timeout;
    policy.rate_limit = configured.rate_limit;
    policy.content_policy = configured.content_policy;
    policy.internal_server = configured.internal_server;
    policy.service_unavailable = configured.service_unavailable;
    policy.not_found = configured.not_found;
    policy.default = configured.default_retries;
    policy
}

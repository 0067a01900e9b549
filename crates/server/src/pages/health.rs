//! How deployments fare.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tokio::task::JoinSet;
use ziggurat::{
    config::Config,
    core::{Board, DeploymentId, FailureKind, Vitals, vitals::Phase},
    gateway::{HealthCheck, shown},
};

use super::text;

/// The deployments that were asked about.
pub(super) struct Asked {
    deployments: Vec<Known>,
}

struct Known {
    id: DeploymentId,
    model_name: String,
    model: String,
    api_base: Option<String>,
    vitals: Arc<Vitals>,
}

#[derive(Serialize)]
struct Page<'a> {
    healthy_endpoints: Vec<Endpoint<'a>>,
    unhealthy_endpoints: Vec<Endpoint<'a>>,
    healthy_count: usize,
    unhealthy_count: usize,
}

#[derive(Serialize)]
struct Endpoint<'a> {
    model_name: &'a str,
    model: &'a str,
    model_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_base: Option<&'a str>,
    /// Why it is not healthy: the kind of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    /// How old the verdict of the last check is; none was made without.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_since_check: Option<f64>,
}

impl Asked {
    /// Takes all deployments that serve, or those of one group, alias, model or id.
    pub(super) fn new(config: &Config, board: &Board, name: Option<&str>) -> Self {
        let alias = config.aliases.iter().find(|it| Some(&*it.name) == name);
        let is_group = |name| config.deployments.iter().any(|one| one.model_name == name);
        let name = match alias.filter(|it| !is_group(it.name.as_str())) {
            Some(alias) => Some(alias.group.as_str()),
            None => name,
        };
        let serving = config.deployments.iter().filter(|one| !one.blocked);
        let wanted = serving.filter(|one| {
            let names = [&one.model_name, &one.litellm_model, &one.id];
            name.is_none_or(|name| names.iter().any(|it| *it == name))
        });
        let known = wanted.map(|one| {
            let id = DeploymentId::from(one.id.as_str());
            Known {
                vitals: board.vitals(&id),
                id,
                model_name: one.model_name.clone(),
                model: one.litellm_model.clone(),
                api_base: one.api_base.as_deref().map(shown),
            }
        });
        Self {
            deployments: known.collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deployments.is_empty()
    }

    pub(super) fn has(&self, id: &DeploymentId) -> bool {
        self.deployments.iter().any(|one| one.id == *id)
    }

    /// Prints what is known: who failed the last check or rests after failures is unhealthy.
    pub(super) fn print(&self) -> Bytes {
        let all = self.deployments.iter().map(Known::endpoint);
        let (unhealthy_endpoints, healthy_endpoints): (Vec<_>, Vec<_>) =
            all.partition(|endpoint| endpoint.error.is_some());
        text(&Page {
            healthy_count: healthy_endpoints.len(),
            unhealthy_count: unhealthy_endpoints.len(),
            healthy_endpoints,
            unhealthy_endpoints,
        })
    }
}

impl Known {
    fn endpoint(&self) -> Endpoint<'_> {
        let verdict = self.vitals.health().verdict();
        let failed = verdict.and_then(|verdict| verdict.failure);
        let resting = || {
            let cooling = self.vitals.cooling().snapshot();
            let kind = cooling.cause.unwrap_or(FailureKind::CoolingDown);
            matches!(cooling.phase, Phase::Cooling(_)).then_some(kind)
        };
        Endpoint {
            model_name: &self.model_name,
            model: &self.model,
            model_id: self.id.as_str(),
            api_base: self.api_base.as_deref(),
            error: failed.or_else(resting).map(FailureKind::as_str),
            seconds_since_check: verdict.map(|it| it.at.elapsed().as_millis() as f64 / 1000.0),
        }
    }
}

/// Asks deployments, all at once; dropped, it asks no more.
pub(super) async fn check(checks: Vec<HealthCheck>) {
    let mut running = JoinSet::new();
    for check in checks {
        running.spawn(async move { check.check().await });
    }
    while running.join_next().await.is_some() {}
}

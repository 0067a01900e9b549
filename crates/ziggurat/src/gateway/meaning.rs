//! What is to be said about a configuration that only those know who build it.

use std::collections::HashSet;

use http::Request;
use tower_layer::Layer;
use ziggurat_config::{Config, Deployment, Finding, Severity};
use ziggurat_core::{Admit, Open};
use ziggurat_models::Provider;

use super::{
    endpoint::{region, regions},
    leaf::{self, Built},
};

/// A server of one's own may want no key. That it gets none is worth a word, as the key may be forgotten.
pub(super) fn keyless(config: &Config, deployment: &Deployment, built: &Built) -> Option<Finding> {
    let names = leaf::env_defaults(deployment.provider, "api_key").join(" or ");
    let message = format!("is called without a key: neither `api_key` nor {names} is set");
    built
        .keyless
        .then(|| config.remark(Severity::Note, deployment, "api_base", message))
}

/// What is to be said about deployments that can be called.
pub(super) fn of(config: &Config) -> Vec<Finding> {
    let mut findings = config.meaning();
    findings.extend(closed_by_region(config));
    findings
}

/// Groups of which no deployment is where all requests have to stay.
fn closed_by_region(config: &Config) -> Option<Finding> {
    const KEY: &str = "allowed_model_region";
    let settings = &config.settings.region;
    let is_open = |one: &Deployment| {
        let learns = settings.enable_preview && one.provider == Provider::Azure;
        let filter = region(config, one, None).layer(Open::new(()));
        (learns && regions(config, one).is_empty()) || filter.admit(&Request::new(())).is_ok()
    };
    let mut open = HashSet::new();
    let mut closed: Vec<&str> = Vec::new();
    for one in config.deployments.iter().filter(|one| !one.blocked) {
        match is_open(one) {
            true => drop(open.insert(&*one.model_name)),
            false => closed.push(&one.model_name),
        }
    }
    closed.retain(|name| !open.contains(name));
    closed.dedup();
    if settings.allowed_model_region.is_empty() || closed.is_empty() {
        return None;
    }
    let allowed = settings.allowed_model_region.join(" or ");
    let message = match open.is_empty() {
        true => format!("no deployment is in {allowed}: every request is refused"),
        false => format!("no deployment of `{}` is in {allowed}", closed.join("`, `")),
    };
    let sections = ["router_settings", "litellm_settings"];
    Some(config.remark_on(Severity::Warning, &sections, KEY, message))
}

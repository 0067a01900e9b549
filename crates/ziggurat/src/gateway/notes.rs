//! What a configuration means, where that is easily taken for something else.

use ziggurat_balance::LimitUse;
use ziggurat_config::{Config, Deployment};
use ziggurat_models::Provider;

use super::{
    endpoint::{regions, window},
    health::{self, Routing},
};

/// Returns one line per fact.
pub(super) fn of(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(limits(config));
    notes.extend(allowed_fails(config));
    notes.extend(windows(config));
    notes.extend(unknown_regions(config));
    notes.extend(health_checks(config));
    notes
}

fn limits(config: &Config) -> Option<String> {
    let is_limit = |limit: Option<f64>| limit.is_some_and(|limit| limit > 0.0);
    if !serving(config).any(|one| is_limit(one.rpm) || is_limit(one.tpm)) {
        return None;
    }
    let settings = &config.settings;
    let used = match settings.enable_pre_call_checks || settings.enforce_model_rate_limits {
        true => LimitUse::Enforce,
        false => LimitUse::Weigh,
    };
    Some(used.to_string())
}

/// One line per value: of all deployments together, or of those that have it.
fn allowed_fails(config: &Config) -> Vec<String> {
    let settings = &config.settings;
    let allowed = |one: &Deployment| {
        let rests = !settings.cooldown_time_for(one).is_zero();
        let allowed = one.allowed_fails.or(settings.cooldown.allowed_fails);
        allowed.filter(|_| rests)
    };
    let mut values: Vec<u32> = serving(config).filter_map(allowed).collect();
    values.sort_unstable();
    values.dedup();
    let window = settings.cooldown.allowed_fails_window.as_secs_f64();
    let line = |fails: u32| {
        let has = |one: &Deployment| allowed(one) == Some(fails);
        let of = match serving(config).all(has) {
            true => String::new(),
            false => format!(" ({})", names(config, has)),
        };
        let next = u64::from(fails) + 1;
        format!("allowed_fails: {fails}{of}: failure {next} within {window} s begins a cooldown")
    };
    values.into_iter().map(line).collect()
}

fn windows(config: &Config) -> Option<String> {
    let is_unknown = |one: &Deployment| window(config, one).max_input_tokens().is_none();
    if !config.settings.enable_pre_call_checks || !serving(config).any(is_unknown) {
        return None;
    }
    let names = names(config, is_unknown);
    Some(format!(
        "context window not known, prompts of any length are sent: {names}"
    ))
}

/// Only where regions can matter: nobody else is interested.
fn unknown_regions(config: &Config) -> Vec<String> {
    let settings = &config.settings.region;
    let has_name = |one: &Deployment| !one.region_name.is_empty();
    let matters = !settings.allowed_model_region.is_empty()
        || settings.enable_preview
        || serving(config).any(has_name);
    if !matters {
        return Vec::new();
    }
    let is_unknown = |one: &Deployment| regions(config, one).is_empty();
    let learns = |one: &Deployment| settings.enable_preview && one.provider == Provider::Azure;
    let never = |one: &Deployment| is_unknown(one) && !learns(one);
    let yet = |one: &Deployment| is_unknown(one) && learns(one);
    let mut notes = Vec::new();
    if serving(config).any(never) {
        let names = names(config, never);
        notes.push(format!(
            "region not known, refused for requests that are bound to one: {names}"
        ));
    }
    if serving(config).any(yet) {
        let names = names(config, yet);
        notes.push(format!(
            "region not known, refused for requests that are bound to one until an answer tells it: {names}"
        ));
    }
    notes
}

fn health_checks(config: &Config) -> Vec<String> {
    let health = &config.settings.health;
    if !health.background_health_checks {
        return Vec::new();
    }
    let checked = serving(config)
        .filter(|one| health::is_checked(one))
        .count();
    let interval = health::interval(config).as_secs_f64();
    let then = match Routing::of(config) {
        Routing::Off => String::new(),
        Routing::Filter(staleness) => {
            let staleness = staleness.as_secs_f64();
            format!("; who fails is passed over for {staleness} s")
        }
        Routing::Cooldown => "; failures count like those of calls (allowed_fails_policy)".into(),
    };
    let mut notes = vec![format!(
        "health checks call {checked} deployment(s) every {interval} s{then}"
    )];
    let is_left_out = |one: &Deployment| !health::is_checked(one);
    if serving(config).any(is_left_out) {
        let names = names(config, is_left_out);
        notes.push(format!(
            "not health-checked, by their mode or setting: {names}"
        ));
    }
    notes
}

fn serving(config: &Config) -> impl Iterator<Item = &Deployment> {
    config.deployments.iter().filter(|one| !one.blocked)
}

/// The model names of some deployments; where they are not all of that name, how many.
fn names(config: &Config, is_one: impl Fn(&Deployment) -> bool) -> String {
    let mut counts: Vec<(&str, usize, usize)> = Vec::new();
    for deployment in serving(config) {
        let name = deployment.model_name.as_str();
        let place = counts.iter().position(|(known, ..)| *known == name);
        let place = place.unwrap_or_else(|| {
            counts.push((name, 0, 0));
            counts.len() - 1
        });
        counts[place].1 += usize::from(is_one(deployment));
        counts[place].2 += 1;
    }
    let listed = counts.into_iter().filter(|(_, some, _)| *some > 0);
    let listed = listed.map(|(name, some, all)| match some == all {
        true => name.to_owned(),
        false => format!("{name} ({some} of {all})"),
    });
    listed.collect::<Vec<_>>().join(", ")
}

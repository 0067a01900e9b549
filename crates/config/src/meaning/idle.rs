//! Settings that act only beside another one that is not there, and zeros that are not what they look like.

use super::{param, section};
use crate::{Config, Deployment, Finding, location::Path};

const SECTIONS: [&str; 2] = ["router_settings", "litellm_settings"];

pub(super) fn check(config: &Config, findings: &mut Vec<Finding>) {
    findings.extend(health_checks(config));
    findings.extend(tags(config));
    findings.extend(cooldowns(config));
    findings.extend(no_hops(config));
    findings.extend(no_limits(config));
}

fn health_checks(config: &Config) -> Vec<Finding> {
    const KEYS: [&str; 3] = [
        "health_check_interval",
        "health_check_staleness_threshold",
        "health_check_ignore_transient_errors",
    ];
    if config.settings.health.background_health_checks {
        return Vec::new();
    }
    let places = KEYS.map(|key| section("general_settings").key(key));
    let message = "has no effect without `general_settings.background_health_checks`";
    warnings(config, places, message)
}

fn tags(config: &Config) -> Vec<Finding> {
    if config.settings.balance.enable_tag_filtering {
        return Vec::new();
    }
    let message = "has no effect without `router_settings.enable_tag_filtering`";
    let key = section("router_settings").key("tag_filtering_match_any");
    let mut findings: Vec<_> = config
        .places
        .has(&key)
        .then(|| config.warning(&key, message))
        .into_iter()
        .collect();
    let has_tags = |one: &Deployment| !one.tags.is_empty();
    findings.extend(of_first(config, "tags", has_tags, message));
    findings
}

fn cooldowns(config: &Config) -> Vec<Finding> {
    // `allowed_fails` is told with all other reasons that it may have to be idle.
    const KEYS: [&str; 10] = [
        "allowed_fails_policy",
        "allowed_fails_window",
        "cooldown_failure_share",
        "cooldown_last_resort",
        "cooldown_max_ejected_share",
        "cooldown_max_retry_after",
        "cooldown_max_time",
        "cooldown_min_requests",
        "cooldown_slow_start",
        "cooldown_wait",
    ];
    let settings = &config.settings.cooldown;
    let places = |key| SECTIONS.map(|name| section(name).key(key));
    let of_time = places("cooldown_time");
    if settings.disable_cooldowns {
        let places = KEYS.into_iter().flat_map(places).chain(of_time);
        let message = "has no effect: cooldowns are disabled (`router_settings.disable_cooldowns`)";
        return warnings(config, places, message);
    }
    let time = settings.time().as_secs_f64();
    let message = format!(
        "0 is not set: a cooldown lasts {time} s; `router_settings.disable_cooldowns` is for none"
    );
    let zeros = of_time.into_iter().filter(|place| is_zero(config, place));
    zeros
        .map(|place| config.warning(&place, &*message))
        .collect()
}

fn no_hops(config: &Config) -> Option<Finding> {
    let fallbacks = &config.fallbacks;
    let tables = [
        &fallbacks.general,
        &fallbacks.context_window,
        &fallbacks.content_policy,
    ];
    let is_idle = config.settings.max_fallbacks == 0 && tables.iter().any(|it| !it.is_empty());
    let mut places = SECTIONS
        .map(|name| section(name).key("max_fallbacks"))
        .into_iter();
    let place = places.find(|place| is_zero(config, place))?;
    is_idle.then(|| config.warning(&place, "0 is none: no chain of fallbacks is ever asked"))
}

fn no_limits(config: &Config) -> Vec<Finding> {
    let keys = ["max_parallel_requests", "rpm", "tpm"];
    let first = |key| {
        let is_zero = |one: &Deployment| is_zero(config, &param(one, key));
        of_first(config, key, is_zero, "0 is no limit")
    };
    keys.into_iter().filter_map(first).collect()
}

/// A warning at the first deployment that has something to be said of a parameter.
fn of_first(
    config: &Config,
    key: &str,
    has: impl Fn(&Deployment) -> bool,
    message: &str,
) -> Option<Finding> {
    let mut concerned = config.deployments.iter().filter(|one| has(one));
    let first = concerned.next()?;
    let more = match concerned.count() {
        0 => String::new(),
        more => format!("; so for {more} more"),
    };
    Some(config.warning(&param(first, key), format!("{message}{more}")))
}

fn warnings(
    config: &Config,
    places: impl IntoIterator<Item = Path>,
    message: &str,
) -> Vec<Finding> {
    let places = places.into_iter();
    let set = places.filter(|place| config.places.says_something(place));
    set.map(|place| config.warning(&place, message)).collect()
}

fn is_zero(config: &Config, place: &Path) -> bool {
    let written = config.places.plain_text(place);
    written.and_then(|text| text.parse().ok()) == Some(0.0)
}

//! Limits that contradict one another, or have nothing to act on.

use std::{collections::HashSet, time::Duration};

use super::{param, section};
use crate::{Config, Deployment, Finding, Severity, StreamRecovery, location::Path, names::Names};

/// Silences shorter than this are ordinary between two chunks of a stream: models think, networks stall.
const ORDINARY_SILENCE: Duration = Duration::from_secs(1);

pub(super) fn check(config: &Config, names: &Names<'_>, findings: &mut Vec<Finding>) {
    findings.extend(attempts_above_the_total(config));
    findings.extend(two_timeouts(config));
    findings.extend(silences(config));
    findings.extend(allowed_fails(config, names));
    findings.extend(regions(config));
    findings.extend(recovery(config, names));
}

/// Streams go on with another deployment, or not at all.
fn recovery(config: &Config, names: &Names<'_>) -> Vec<Finding> {
    let recovery = config.settings.stream_recovery;
    if recovery == StreamRecovery::Off {
        return Vec::new();
    }
    let path = section("router_settings").key("stream_recovery");
    let surfaces = "acts on those streams of `/v1/responses` that have said nothing but text, and as `restart`; others of them, \
        with calls or reasoning, end with their error, unless `stream_commit: complete` holds them back";
    let surfaces = Finding {
        severity: Severity::Note,
        ..config.warning(&path, surfaces)
    };
    let targets = config.fallbacks.general.iter().flat_map(|(_, chain)| chain);
    let fallbacks = targets.map(|target| names.deployments(&target.model));
    let groups = names.all().filter(|deployments| deployments.len() > 1);
    let mut others = fallbacks.chain(groups).peekable();
    let is_idle = others.peek().is_none();
    let takes = |one: &&Deployment| config.supports(one, "assistant_prefill") == Some(true);
    let goes_on = others.any(|others| !others.is_empty() && others.iter().all(takes));
    let message = match recovery {
        _ if is_idle => format!(
            "`{}` asks the other deployments of a group and its fallbacks, and none has any: only streams of requests with \
             fallbacks of their own go on",
            recovery.as_str()
        ),
        StreamRecovery::Continue if !goes_on => {
            "no fallback, and no group of several deployments, is known to take the beginning of an answer \
             (`model_info.supports_assistant_prefill`): `continue` is the same as `restart`"
                .to_owned()
        }
        _ => return vec![surfaces],
    };
    vec![config.warning(&path, message), surfaces]
}

/// Where the limits that are written stand, and how long they are.
fn written(config: &Config, key: &str, of: fn(&Deployment) -> Option<Duration>) -> Vec<Limit> {
    let deployments = config.deployments.iter();
    let own = deployments.filter_map(|one| Some((param(one, key), of(one)?)));
    let settings = &config.settings;
    let all = match key {
        // Where both are set, the one of the router has no effect.
        "timeout" if settings.request_timeout_in_file().is_none() => settings.timeout,
        "request_timeout" => settings.request_timeout_in_file(),
        "stream_timeout" => settings.stream_timeout,
        "stream_idle_timeout" => settings.stream_idle_timeout,
        _ => None,
    };
    let sections: &[&str] = match key {
        "timeout" => &["router_settings"],
        "request_timeout" => &["litellm_settings"],
        _ => &["router_settings", "litellm_settings"],
    };
    let mut sections = sections.iter().map(|name| section(name).key(key));
    let place = sections.find(|path| config.places.has(path));
    own.chain(place.zip(all)).collect()
}

type Limit = (Path, Duration);

fn of_attempts(config: &Config) -> Vec<Limit> {
    let mut limits = written(config, "timeout", |one| one.timeout);
    limits.extend(written(config, "request_timeout", |one| {
        one.request_timeout
    }));
    limits.extend(written(config, "stream_timeout", |one| one.stream_timeout));
    let fallbacks = &config.fallbacks;
    let tables = [
        &fallbacks.general,
        &fallbacks.context_window,
        &fallbacks.content_policy,
    ];
    for target in tables.into_iter().flatten().flat_map(|(_, chain)| chain) {
        let own = [
            ("timeout", target.timeout),
            ("stream_timeout", target.stream_timeout),
        ];
        let own = own.map(|(key, limit)| Some((target.at.key(key), limit?)));
        limits.extend(own.into_iter().flatten());
    }
    limits
}

fn attempts_above_the_total(config: &Config) -> Vec<Finding> {
    let Some(total) = config.settings.total_timeout else {
        return Vec::new();
    };
    let above = of_attempts(config)
        .into_iter()
        .filter(|(_, limit)| *limit > total);
    let message = |limit: Duration| {
        let (limit, total) = (limit.as_secs_f64(), total.as_secs_f64());
        format!(
            "an attempt may take {limit} s, but `router_settings.total_timeout` ends the whole request after {total} s"
        )
    };
    above
        .map(|(path, limit)| config.warning(&path, message(limit)))
        .collect()
}

fn two_timeouts(config: &Config) -> Option<Finding> {
    let settings = &config.settings;
    let (router, litellm) = (settings.timeout?, settings.request_timeout_in_file()?);
    let litellm = (router != litellm).then_some(litellm.as_secs_f64())?;
    let path = section("router_settings").key("timeout");
    let message = format!("has no effect: `litellm_settings.request_timeout` ({litellm} s) wins");
    Some(config.warning(&path, message))
}

/// `stream_timeout` is one for silences too, where nothing else is.
fn silences(config: &Config) -> Vec<Finding> {
    let settings = &config.settings;
    let mut limits = written(config, "stream_idle_timeout", |one| one.stream_idle_timeout);
    if settings.stream_idle_timeout.is_none() {
        let first = |one: &Deployment| {
            one.stream_timeout
                .filter(|_| one.stream_idle_timeout.is_none())
        };
        limits.extend(written(config, "stream_timeout", first));
    }
    limits.retain(|(_, limit)| *limit < ORDINARY_SILENCE);
    let message = |limit: Duration| {
        let limit = limit.as_secs_f64();
        format!(
            "ends a stream that is silent for {limit} s, as any stream may be between two chunks"
        )
    };
    limits
        .into_iter()
        .map(|(path, limit)| config.warning(&path, message(limit)))
        .collect()
}

/// `allowed_fails` for deployments that never cool down.
fn allowed_fails(config: &Config, names: &Names<'_>) -> Vec<Finding> {
    const KEY: &str = "allowed_fails";
    let settings = &config.settings;
    let mut findings = Vec::new();
    let chains = config.fallbacks.general.iter();
    let chained: HashSet<_> = chains
        .filter(|(_, chain)| !chain.is_empty())
        .map(|(group, _)| group.as_str())
        .collect();
    let idle = |one: &Deployment| {
        if settings.cooldown.disable_cooldowns {
            Some("cooldowns are disabled (`router_settings.disable_cooldowns`)")
        } else if settings.cooldown_time_for(one).is_zero() {
            Some("the deployment never cools down (`cooldown_time: 0`)")
        } else if is_protected(names, &chained, one) {
            Some("the only deployment of a group without fallbacks never cools down")
        } else {
            None
        }
    };
    for one in config
        .deployments
        .iter()
        .filter(|one| one.allowed_fails.is_some())
    {
        if let Some(why) = idle(one) {
            let info = one.at.key("model_info").key(KEY);
            let places = [info, param(one, KEY)];
            let place = places.into_iter().find(|path| config.places.has(path));
            let path = place.unwrap_or_else(|| one.at.clone());
            findings.push(config.warning(&path, format!("has no effect: {why}")));
        }
    }
    let mut others = config
        .deployments
        .iter()
        .filter(|one| one.allowed_fails.is_none());
    let why = others.clone().find_map(idle);
    if let (Some(why), true) = (why, others.all(|one| idle(one).is_some())) {
        for name in ["router_settings", "litellm_settings"] {
            let path = section(name).key(KEY);
            if settings.cooldown.allowed_fails.is_some() && config.places.has(&path) {
                findings.push(config.warning(&path, format!("has no effect: {why}")));
                break;
            }
        }
    }
    findings
}

/// Whether a deployment is the only one that may be asked: it is never taken away.
fn is_protected(names: &Names<'_>, chained: &HashSet<&str>, deployment: &Deployment) -> bool {
    let group = deployment.model_name.as_str();
    let is_alone = names.deployments(group).len() == 1;
    is_alone && !chained.contains(group) && !chained.contains("*")
}

fn regions(config: &Config) -> Option<Finding> {
    let asks = !config.settings.region.allowed_model_region.is_empty();
    let mut deployments = config.deployments.iter();
    let named = deployments.find(|one| !one.region_name.is_empty())?;
    let message = "no setting asks for a region: it matters only for requests that name `allowed_model_region`";
    (!asks).then(|| config.note(&param(named, "region_name"), "R150", message))
}

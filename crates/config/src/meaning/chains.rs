//! Where fallbacks lead.

use std::collections::HashSet;

use crate::{Config, Deployment, FallbackTable, FallbackTarget, Finding};

pub(super) fn check(config: &Config, findings: &mut Vec<Finding>) {
    let fallbacks = &config.fallbacks;
    for table in [
        &fallbacks.general,
        &fallbacks.context_window,
        &fallbacks.content_policy,
    ] {
        for (group, chain) in table {
            for target in chain {
                findings.extend(cycle(config, table, group, target));
                let (sources, targets) = (of(config, group), of(config, &target.model));
                findings.extend(window(config, group, target, &sources, &targets));
                findings.extend(abilities(config, group, target, &sources, &targets));
            }
        }
    }
    findings.extend(windows(config));
    findings.extend(virtual_groups(config));
}

fn of<'a>(config: &'a Config, name: &'a str) -> Vec<&'a Deployment> {
    config.deployments_of(name).collect()
}

/// A chain that leads back to its group. Each circle is told at the first group of it that stands in the table.
fn cycle(
    config: &Config,
    table: &FallbackTable,
    group: &str,
    target: &FallbackTarget,
) -> Option<Finding> {
    if !target.parameters.is_empty() {
        return None; // Another question.
    }
    let way = way_back(table, group, &target.model)?;
    let place = |name: &str| table.iter().position(|(group, _)| group == name);
    let is_first = way.iter().all(|name| place(name) >= place(group));
    is_first.then(|| {
        let way = way.join("` -> `");
        let message = format!(
            "leads back: `{group}` -> `{way}`; no group is asked twice for one request, so the chain ends there"
        );
        config.warning(&target.at, message)
    })
}

/// The names on the way from a target back to the group.
fn way_back<'a>(table: &'a FallbackTable, group: &str, target: &'a str) -> Option<Vec<&'a str>> {
    let mut seen = HashSet::new();
    let mut ways = vec![vec![target]];
    while let Some(way) = ways.pop() {
        let last = *way.last()?;
        if last == group {
            return Some(way);
        }
        if seen.insert(last) {
            let chain = table.iter().find(|(name, _)| name == last);
            for next in chain.into_iter().flat_map(|(_, chain)| chain) {
                let longer = way.iter().copied().chain([&*next.model]);
                ways.push(longer.collect());
            }
        }
    }
    None
}

/// A stand-in that takes less than its group does.
fn window(
    config: &Config,
    group: &str,
    target: &FallbackTarget,
    sources: &[&Deployment],
    targets: &[&Deployment],
) -> Option<Finding> {
    let (source, own) = (longest(config, sources)?, longest(config, targets)?);
    let name = &target.model;
    (own < source).then(|| {
        let message = format!(
            "`{name}` takes prompts of {own} tokens, `{group}` of {source}: not all that fit there fit here"
        );
        config.warning(&target.at, message)
    })
}

/// A stand-in for prompts that are too long that takes no longer ones.
fn windows(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (group, chain) in &config.fallbacks.context_window {
        let source = longest(config, &of(config, group));
        for target in chain {
            let own = longest(config, &of(config, &target.model));
            if let (Some(source), Some(own)) = (source, own)
                && own == source
            {
                let message = format!("`{}` takes no longer prompts than `{group}`", target.model);
                findings.push(config.warning(&target.at, message));
            }
        }
    }
    findings
}

/// The longest window of some deployments, where those of all are known.
fn longest(config: &Config, deployments: &[&Deployment]) -> Option<u64> {
    let window = |one: &&Deployment| {
        let base = one.base_model.as_deref();
        let own = one.max_input_tokens.map(u64::from);
        let known = config
            .models
            .input_window(one.provider, &one.model, base, own);
        known.map(|window| window.max_input_tokens)
    };
    let windows: Option<Vec<_>> = deployments.iter().map(window).collect();
    windows?.into_iter().max()
}

/// What a group takes and its stand-in does not.
fn abilities(
    config: &Config,
    group: &str,
    target: &FallbackTarget,
    sources: &[&Deployment],
    targets: &[&Deployment],
) -> Vec<Finding> {
    let all = |deployments: &[&Deployment], ability: &str, wanted: bool| {
        let is_as_wanted = |one: &&Deployment| can(config, one, ability) == Some(wanted);
        !deployments.is_empty() && deployments.iter().all(is_as_wanted)
    };
    let lacks =
        |(_, ability): &(&str, &str)| all(sources, ability, true) && all(targets, ability, false);
    let abilities = [("tools", "function_calling"), ("images", "vision")];
    let lacking = abilities.into_iter().filter(lacks);
    let message = |(what, _)| format!("`{}` takes no {what}, `{group}` does", target.model);
    lacking
        .map(|ability| config.warning(&target.at, message(ability)))
        .collect()
}

/// Whether a model takes something, as far as that is known. What `model_info` says comes first.
fn can(config: &Config, deployment: &Deployment, ability: &str) -> Option<bool> {
    let own = deployment.model_info.get(&format!("supports_{ability}"));
    if let Some(own) = own.and_then(serde_json::Value::as_bool) {
        return Some(own);
    }
    let model = deployment.base_model.as_deref();
    let model = model.unwrap_or(&deployment.model);
    let facts = config.models.facts(Some(deployment.provider), model)?;
    Some(facts.supports(ability))
}

/// A chain for a name that no deployment has.
fn virtual_groups(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, table) in [
        ("fallbacks", &config.fallbacks.general),
        ("context_window_fallbacks", &config.fallbacks.context_window),
        ("content_policy_fallbacks", &config.fallbacks.content_policy),
    ] {
        for (group, chain) in table {
            let is_known = group == "*"
                || config.is_known(group)
                || config.left_out.iter().any(|one| one.model_name == *group);
            let place = chain.first().and_then(|target| target.at.parent());
            let Some(place) = place.filter(|_| !is_known) else {
                continue;
            };
            let message = match key {
                "fallbacks" => format!(
                    "no usable deployment is named `{group}`: requests for it go to the chain at once"
                ),
                _ => format!("has no effect: no usable deployment is named `{group}`"),
            };
            findings.push(config.warning(&place, message));
        }
    }
    findings
}

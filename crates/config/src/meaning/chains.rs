//! Where fallbacks lead.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{Config, Deployment, FallbackTable, FallbackTarget, Finding, names::Names};

pub(super) fn check(config: &Config, names: &Names<'_>, findings: &mut Vec<Finding>) {
    let fallbacks = &config.fallbacks;
    for table in [
        &fallbacks.general,
        &fallbacks.context_window,
        &fallbacks.content_policy,
    ] {
        let circles = Circles::of(table, names);
        for (group, chain) in table {
            let sources = names.deployments(group);
            for target in chain {
                findings.extend(cycle(config, &circles, group, target));
                let targets = names.deployments(&target.model);
                findings.extend(window(config, group, target, sources, targets));
                findings.extend(abilities(config, group, target, sources, targets));
            }
        }
    }
    findings.extend(windows(config, names));
    findings.extend(virtual_groups(config, names));
}

/// The part of a table that leads in circles.
struct Circles<'a> {
    names: &'a Names<'a>,
    /// The place of each group in the table, and its chain.
    chains: HashMap<&'a str, (usize, &'a [FallbackTarget])>,
    /// Groups in a circle, or on the way from one to another. Most tables have none.
    around: HashSet<&'a str>,
}

impl<'a> Circles<'a> {
    fn of(table: &'a FallbackTable, names: &'a Names<'a>) -> Self {
        let mut chains = HashMap::new();
        for (place, (group, chain)) in table.iter().enumerate() {
            chains.entry(group.as_str()).or_insert((place, &chain[..]));
        }
        let mut circles = Self {
            names,
            chains,
            around: HashSet::new(),
        };
        let groups = circles.chains.keys();
        let steps = groups.flat_map(|&group| circles.next(group).map(move |next| (group, next)));
        let steps: HashSet<_> = steps.collect();
        let back = without_ends(steps).into_iter().map(|(from, to)| (to, from));
        let around = without_ends(back.collect()).into_iter();
        circles.around = around.map(|(group, _)| group).collect();
        circles
    }

    /// The groups of a chain that have chains of their own: by their names, else as those that aliases stand for.
    fn next(&self, group: &str) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        let chain = self.chains.get(group).map_or(&[][..], |(_, chain)| chain);
        let asked = chain.iter().filter(|target| is_same_question(target));
        asked.filter_map(|target| self.find(&target.model))
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        let find = |name: &str| self.chains.get_key_value(name).map(|(name, _)| *name);
        find(name).or_else(|| find(self.names.alias(name)?))
    }

    /// The names on the shortest way from a target back to the group, if there is one.
    fn way_back(&self, group: &str, target: &str) -> Option<Vec<&'a str>> {
        let start = self.find(target)?;
        let mut before: HashMap<&str, Option<&str>> = HashMap::from([(start, None)]);
        let mut ways = VecDeque::from([start]);
        while let Some(last) = ways.pop_front() {
            if last == group {
                let steps = std::iter::successors(Some(last), |step| before[step]);
                let mut way: Vec<_> = steps.collect();
                way.reverse();
                return Some(way);
            }
            for next in self.next(last).filter(|next| self.around.contains(next)) {
                before.entry(next).or_insert_with(|| {
                    ways.push_back(next);
                    Some(last)
                });
            }
        }
        None
    }
}

/// Leaves out the steps to groups that lead nowhere, then those to groups that lead only there, and so on.
fn without_ends<'a>(mut steps: HashSet<(&'a str, &'a str)>) -> HashSet<(&'a str, &'a str)> {
    let mut sources: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    for &(from, to) in &steps {
        sources.entry(to).or_default().push(from);
        *open.entry(from).or_default() += 1;
        open.entry(to).or_default();
    }
    let mut ends: Vec<_> = open
        .iter()
        .filter(|(_, steps)| **steps == 0)
        .map(|(name, _)| *name)
        .collect();
    while let Some(end) = ends.pop() {
        for &source in sources.get(end).into_iter().flatten() {
            steps.remove(&(source, end));
            let left = open.entry(source).or_default();
            *left -= 1;
            ends.extend((*left == 0).then_some(source));
        }
    }
    steps
}

/// With parameters of its own, a target is asked another question.
fn is_same_question(target: &FallbackTarget) -> bool {
    target.parameters.is_empty()
}

/// A chain that leads back to its group. Each circle is told at the first group of it that stands in the table.
fn cycle(
    config: &Config,
    circles: &Circles<'_>,
    group: &str,
    target: &FallbackTarget,
) -> Option<Finding> {
    if !is_same_question(target) || !circles.around.contains(group) {
        return None;
    }
    let way = circles.way_back(group, &target.model)?;
    let place = |name: &str| circles.chains.get(name).map(|(place, _)| place);
    let is_first = way.iter().all(|name| place(name) >= place(group));
    is_first.then(|| {
        let way = way.join("` -> `");
        let message = format!(
            "leads back: `{group}` -> `{way}`; no group is asked twice for one request, so the chain ends there"
        );
        config.warning(&target.at, message)
    })
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
fn windows(config: &Config, names: &Names<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (group, chain) in &config.fallbacks.context_window {
        let source = longest(config, names.deployments(group));
        for target in chain {
            let own = longest(config, names.deployments(&target.model));
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
        let is_as_wanted = |one: &&Deployment| config.supports(one, ability) == Some(wanted);
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

/// A chain for a name that no deployment has.
fn virtual_groups(config: &Config, names: &Names<'_>) -> Vec<Finding> {
    let left_out = config.left_out.iter();
    let left_out: HashSet<_> = left_out.map(|one| one.model_name.as_str()).collect();
    let mut findings = Vec::new();
    for (key, table) in [
        ("fallbacks", &config.fallbacks.general),
        ("context_window_fallbacks", &config.fallbacks.context_window),
        ("content_policy_fallbacks", &config.fallbacks.content_policy),
    ] {
        for (group, chain) in table {
            let is_known =
                group == "*" || names.is_known(group) || left_out.contains(group.as_str());
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

//! Fallback tables and aliases of model groups.

use std::{collections::HashMap, fmt, time::Duration};

use serde_yaml::Value;

use crate::{
    Finding, Location, Severity, keys, location::Path, scalar, section::Section, settings::outdone,
};

/// Chains of fallbacks by the group that they stand in for, in the order of the file. The key
/// `*` stands for every group without a chain of its own.
pub type FallbackTable = Vec<(String, Vec<FallbackTarget>)>;

/// The key of a chain for every group without one of its own.
const ANY: &str = "*";

/// The three fallback tables.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Fallbacks {
    /// `fallbacks`, with `default_fallbacks` as a last entry `*`.
    pub general: FallbackTable,
    /// `context_window_fallbacks`.
    pub context_window: FallbackTable,
    /// `content_policy_fallbacks`.
    pub content_policy: FallbackTable,
}

/// One step of a chain. `Debug` shows the names of the parameters only: they may hold prompts.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct FallbackTarget {
    /// The group, alias or deployment id to ask.
    pub model: String,
    /// Limit of each attempt on this hop.
    pub timeout: Option<Duration>,
    /// Limit of each attempt on this hop for streams.
    pub stream_timeout: Option<Duration>,
    /// Longest gap in a stream on this hop.
    pub stream_idle_timeout: Option<Duration>,
    /// Limit of a whole stream on this hop.
    pub stream_total_timeout: Option<Duration>,
    /// Retries on this hop.
    pub num_retries: Option<u32>,
    /// Parameters that replace those of the request on this hop.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    pub(crate) at: Path,
    location: Option<Location>,
}

/// Another name for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alias {
    /// The name that clients may use.
    pub name: String,
    /// The group that it stands for.
    pub group: String,
    /// Whether it works without being listed.
    pub hidden: bool,
    path: String,
    location: Option<Location>,
}

// === impl Fallbacks ===

impl Fallbacks {
    /// Reads the tables of both sections; a table of the router that is not empty wins whole.
    pub(crate) fn read(router: &mut Section<'_>, litellm: &mut Section<'_>) -> Self {
        let mut table = |key| {
            let (first, second) = (read_table(router, key), read_table(litellm, key));
            prefer(router, litellm, key, first, second)
        };
        let mut general = table("fallbacks");
        let context_window = table("context_window_fallbacks");
        let content_policy = table("content_policy_fallbacks");
        let key = "default_fallbacks";
        let (first, second) = (read_default(router, key), read_default(litellm, key));
        let default = prefer(router, litellm, key, first, second);
        if !default.is_empty() {
            let of = |chain: &[FallbackTarget]| chain.first().and_then(|target| target.at.parent());
            let any = general.iter().rev().find(|(group, _)| group == ANY);
            if let (Some(any), Some(winner)) = (any.and_then(|(_, chain)| of(chain)), of(&default))
            {
                litellm.wins_over(&winner, &any);
            }
            general.push((ANY.to_owned(), default));
        }
        Self {
            general,
            context_window,
            content_policy,
        }
    }

    /// Returns a warning for every target that `is_known` does not know.
    pub(crate) fn unknown_targets(&self, is_known: impl Fn(&str) -> bool) -> Vec<Finding> {
        let tables = [&self.general, &self.context_window, &self.content_policy];
        let targets = tables.into_iter().flatten().flat_map(|(_, chain)| chain);
        targets
            .filter(|target| !is_known(&target.model))
            .map(|target| Finding {
                severity: Severity::Warning,
                message: format!("no usable deployment is named `{}`", target.model),
                path: target.at.to_string(),
                location: target.location.clone(),
                rule: None,
            })
            .collect()
    }
}

/// The router's table, unless it is empty.
fn prefer<T>(
    router: &Section<'_>,
    litellm: &mut Section<'_>,
    key: &str,
    first: Vec<T>,
    second: Vec<T>,
) -> Vec<T> {
    match (first.is_empty(), second.is_empty()) {
        (false, false) => outdone(router, litellm, key),
        (false, true) => {}
        (true, _) => return second,
    }
    first
}

/// Reads a list of mappings with one key each.
fn read_table(section: &mut Section<'_>, key: &str) -> FallbackTable {
    let path = section.path.key(key);
    let mut table = Vec::new();
    let mut places = HashMap::new();
    for (index, entry) in items(section, &path, section.get(key)).enumerate() {
        let path = path.index(index);
        let entries = entry.as_mapping().filter(|entries| entries.len() == 1);
        let Some((group, chain)) = entries.and_then(|entries| entries.iter().next()) else {
            section.error(&path, "expected one group with its list of fallbacks");
            continue;
        };
        let Some(group) = group.as_str() else {
            section.error(&path, scalar::expected("the name of a group", group));
            continue;
        };
        let path = path.key(group);
        // Of two chains for one group the first one is asked, but the last one for any group.
        if let Some(first) = places.get(group) {
            match group {
                ANY => section.wins_over(&path, first),
                _ => section.wins_over(first, &path),
            }
        }
        if group == ANY || !places.contains_key(group) {
            places.insert(group, path.clone());
        }
        let chain = read_chain(section, &path, Some(chain));
        table.push((group.to_owned(), chain));
    }
    table
}

fn read_default(section: &mut Section<'_>, key: &str) -> Vec<FallbackTarget> {
    let path = section.path.key(key);
    read_chain(section, &path, section.get(key))
}

fn read_chain(
    section: &mut Section<'_>,
    path: &Path,
    value: Option<&Value>,
) -> Vec<FallbackTarget> {
    let mut chain = Vec::new();
    for (index, item) in items(section, path, value).enumerate() {
        let path = path.index(index);
        match read_target(section, &path, item) {
            Ok(target) => chain.push(target),
            Err(message) => section.error(&path, message),
        }
    }
    chain
}

/// A target is a name, or a mapping with `model` and parameters.
fn read_target(
    section: &mut Section<'_>,
    path: &Path,
    item: &Value,
) -> Result<FallbackTarget, String> {
    let mut target = FallbackTarget {
        model: String::new(),
        timeout: None,
        stream_timeout: None,
        stream_idle_timeout: None,
        stream_total_timeout: None,
        num_retries: None,
        parameters: serde_json::Map::new(),
        at: path.clone(),
        location: Some(section.document.locate(path)),
    };
    match item {
        Value::String(name) if !name.is_empty() => target.model.clone_from(name),
        Value::Mapping(_) => {
            let mut parameters = section.document.json_map(path, item)?;
            let model = parameters.remove("model");
            let model = model.as_ref().and_then(serde_json::Value::as_str);
            model
                .ok_or("expected a `model` beside the parameters")?
                .clone_into(&mut target.model);
            target.timeout = limit(section, path, item, "timeout", scalar::seconds);
            let synonym = limit(section, path, item, "request_timeout", scalar::seconds);
            target.timeout = target.timeout.or(synonym);
            let mut seconds = |key| limit(section, path, item, key, scalar::seconds);
            target.stream_timeout = seconds("stream_timeout");
            target.stream_idle_timeout = seconds("stream_idle_timeout");
            target.stream_total_timeout = seconds("stream_total_timeout");
            target.num_retries = limit(section, path, item, "num_retries", scalar::count);
            for read in [
                "timeout",
                "request_timeout",
                "stream_timeout",
                "stream_idle_timeout",
                "stream_total_timeout",
                "num_retries",
            ] {
                parameters.remove(read);
            }
            for idle in [
                "api_key",
                "api_base",
                "base_url",
                "api_version",
                "max_retries",
                "stream",
                "total_timeout",
            ] {
                if parameters.remove(idle).is_some() {
                    section.warn(&path.key(idle), "has no effect in a fallback");
                }
            }
            target.parameters = parameters;
        }
        other => return Err(scalar::expected("the name of a group, or a mapping", other)),
    }
    Ok(target)
}

/// Reads a limit of a target, and reports one of a wrong type.
fn limit<T>(
    section: &mut Section<'_>,
    path: &Path,
    target: &Value,
    key: &str,
    read: fn(&Value) -> scalar::Read<T>,
) -> Option<T> {
    read(target.get(key)?).unwrap_or_else(|message| {
        section.error(&path.key(key), message);
        None
    })
}

fn items<'a>(
    section: &mut Section<'_>,
    path: &Path,
    value: Option<&'a Value>,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    let list = value.and_then(Value::as_sequence);
    if let Some(value) = value.filter(|value| list.is_none() && !value.is_null()) {
        section.error(path, scalar::expected("a list", value));
    }
    list.into_iter().flatten()
}

impl fmt::Debug for FallbackTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackTarget")
            .field("model", &self.model)
            .field("parameters", &self.parameters.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

// === impl Alias ===

impl Alias {
    /// Reads `model_group_alias`: a group's name, or a mapping of `model` and `hidden`, by alias.
    pub(crate) fn read_all(router: &mut Section<'_>) -> Vec<Self> {
        let mut section = router.section("model_group_alias");
        let mut aliases = Vec::new();
        for (name, value) in section.entries() {
            let (group, hidden) = if value.is_mapping() {
                let mut entry = section.section(&name);
                entry.check_keys(&keys::ALIAS);
                let group = entry.read("model", scalar::text);
                let hidden = entry.read("hidden", scalar::flag).unwrap_or(false);
                let is_error = |finding: &Finding| finding.severity == Severity::Error;
                if group.is_none() && !entry.findings.iter().any(is_error) {
                    entry.error(&entry.path.clone(), "expected a `model`");
                }
                section.findings.append(&mut entry.findings);
                (group, hidden)
            } else {
                (section.read(&name, scalar::text), false)
            };
            if let Some(group) = group {
                let path = section.path.key(&name);
                aliases.push(Self {
                    name,
                    group,
                    hidden,
                    location: Some(section.document.locate(&path)),
                    path: path.to_string(),
                });
            }
        }
        router.findings.append(&mut section.findings);
        aliases
    }

    /// A warning that nothing stands behind the alias.
    pub(crate) fn dangling(&self) -> Finding {
        Finding {
            severity: Severity::Warning,
            message: format!("no usable deployment is named `{}`", self.group),
            path: self.path.clone(),
            location: self.location.clone(),
            rule: None,
        }
    }
}

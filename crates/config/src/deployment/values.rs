//! Values of an entry that are made of several.

use serde_json::Map;
use serde_yaml::Value;

use crate::{AllowedFailsPolicy, keys, scalar, section::Section};

/// Reads a key of two sections; the first one's wins.
pub(super) fn first<T>(
    one: &mut Section<'_>,
    other: &mut Section<'_>,
    key: &str,
    read: fn(&Value) -> scalar::Read<T>,
) -> Option<T> {
    let (first, second) = (one.read(key, read), other.read(key, read));
    if first.is_some() && second.is_some() {
        other.outdone(key, (one.path.key(key), one.get(key)));
    }
    first.or(second)
}

/// Reads both policies; that of `model_info` wins whole.
pub(super) fn allowed_fails_policy(
    info: &mut Section<'_>,
    params: &mut Section<'_>,
) -> Option<AllowedFailsPolicy> {
    const KEY: &str = "allowed_fails_policy";
    let (first, second) = (
        AllowedFailsPolicy::read(info),
        AllowedFailsPolicy::read(params),
    );
    if first.is_some() && second.is_some() {
        params.outdone(KEY, (info.path.key(KEY), info.get(KEY)));
    }
    first.or(second)
}

pub(super) fn headers(params: &mut Section<'_>) -> Vec<(String, String)> {
    let mut headers = params.read("headers", scalar::headers).unwrap_or_default();
    let extra = params
        .read("extra_headers", scalar::headers)
        .unwrap_or_default();
    headers.retain(|(name, _)| extra.iter().all(|(other, _)| other != name));
    headers.extend(extra);
    headers
}

/// What is kept of `model_info`. What a model can do is true or false there, however it was written.
pub(super) fn facts(info: &mut Section<'_>) -> Map<String, serde_json::Value> {
    let mut facts = json_of(info);
    let is_ability = |name: &&str| name.starts_with("supports_") && !name.ends_with('*');
    for name in keys::INFO.active().filter(is_ability) {
        if let Some(can) = info.read(name, scalar::flag) {
            facts.insert(name.to_owned(), can.into());
        }
    }
    facts
}

pub(super) fn json_of(section: &mut Section<'_>) -> Map<String, serde_json::Value> {
    let mut json = Map::new();
    for (key, value) in section.entries() {
        let path = section.path.key(&key);
        match section.document.json(&path, value) {
            Ok(value) => drop(json.insert(key, value)),
            Err(_) if section.is_wrong(&path) => {}
            Err(message) => section.error(&path, message),
        }
    }
    json
}

//! One mapping of the file, read key by key. Problems are collected, not returned: the reader
//! goes on, and everything wrong is said at once.

use serde_yaml::{Mapping, Value};

use crate::{
    Finding, Severity,
    document::Document,
    environment::key_text,
    keys::{self, Keys, Known},
    location::Path,
    scalar::{self, Read},
    schema::Shape,
    secret::Secret,
};

pub(crate) struct Section<'a> {
    pub(crate) document: &'a Document,
    pub(crate) path: Path,
    pub(crate) findings: Vec<Finding>,
    map: Option<&'a Mapping>,
}

// === impl Section ===

impl<'a> Section<'a> {
    /// Opens a mapping; absent and empty ones have no keys, other values are an error.
    pub(crate) fn open(document: &'a Document, path: Path, value: Option<&'a Value>) -> Self {
        let mut section = Self {
            document,
            path,
            findings: Vec::new(),
            map: value.and_then(Value::as_mapping),
        };
        if let Some(value) = value.filter(|value| !value.is_mapping() && !value.is_null()) {
            let path = section.path.clone();
            section.error(&path, scalar::expected("a mapping", value));
        }
        section
    }

    /// Opens the mapping under a key of this one.
    pub(crate) fn section(&self, key: &str) -> Self {
        Section::open(self.document, self.path.key(key), self.get(key))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map?.get(key)
    }

    pub(crate) fn map(&self) -> Option<&'a Mapping> {
        self.map
    }

    /// All keys with their values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (String, &'a Value)> + use<'a> {
        let entries = self.map.into_iter().flatten();
        entries.map(|(key, value)| (key_text(key), value))
    }

    /// Reads the value under a key; absent is `None`, and so is a wrong value, which is reported.
    pub(crate) fn read<T>(&mut self, key: &str, read: impl Fn(&Value) -> Read<T>) -> Option<T> {
        if let Some(recorder) = &self.document.recorder {
            recorder.record(&self.path.key(key), Shape::of(&read));
        }
        match read(self.get(key)?) {
            Ok(value) => value,
            Err(message) => {
                self.error(&self.path.key(key), message);
                None
            }
        }
    }

    /// Reads a key for a service. Digits without quotes are one too, as they are written.
    pub(crate) fn secret(&mut self, key: &str) -> Option<Secret> {
        let path = self.path.key(key);
        if let Some(recorder) = &self.document.recorder {
            recorder.record(&path, Shape::secret());
        }
        let written = self.document.plain_text(&path);
        let text = self.read(key, |value| match (value, written) {
            (Value::Number(_), Some(digits)) => Ok(Some(digits.to_owned())),
            _ => scalar::text(value),
        });
        text.map(Secret::new)
    }

    /// Reads a key that has two names. Both values are returned, and the second one is reported if the first one wins.
    pub(crate) fn read_either<T>(
        &mut self,
        [name, other]: [&str; 2],
        read: fn(&Value) -> Read<T>,
    ) -> [Option<T>; 2] {
        let values = [self.read(name, read), self.read(other, read)];
        if values.iter().all(Option::is_some) {
            let winner = (self.path.key(name), self.get(name));
            self.outdone(other, winner);
        }
        values
    }

    /// Reports a value that has no effect, as the one at another place wins. Where both say the same, neither is wrong.
    pub(crate) fn outdone(&mut self, key: &str, (winner, value): (Path, Option<&Value>)) {
        if self.get(key) != value {
            self.wins_over(&winner, &self.path.key(key));
        }
    }

    /// Reports a value that has no effect, as the one at another place wins.
    pub(crate) fn wins_over(&mut self, winner: &Path, loser: &Path) {
        let place = self.document.locate_key(winner);
        self.warn(loser, format!("has no effect: `{winner}` at {place} wins"));
    }

    /// Reports an error at a value.
    pub(crate) fn error(&mut self, path: &Path, message: impl Into<String>) {
        self.findings.push(Finding {
            severity: Severity::Error,
            message: message.into(),
            path: path.to_string(),
            location: Some(self.document.locate(path)),
            rule: None,
        });
    }

    /// Returns whether an error at a value was reported.
    pub(crate) fn is_wrong(&self, path: &Path) -> bool {
        let path = path.to_string();
        let is_wrong = |it: &Finding| it.severity == Severity::Error && it.path == path;
        self.findings.iter().any(is_wrong)
    }

    /// Reports a variable without which nothing goes, or at least not as it was meant to.
    pub(crate) fn needs(&mut self, path: &Path, message: impl Into<String>) {
        match self.document.lenient {
            true => self.warn(path, message),
            false => self.error(path, message),
        }
    }

    /// Reports a warning at a key, or at an item of a list.
    pub(crate) fn warn(&mut self, path: &Path, message: impl Into<String>) {
        self.findings.push(Finding {
            severity: Severity::Warning,
            message: message.into(),
            path: path.to_string(),
            location: Some(self.document.locate_key(path)),
            rule: None,
        });
    }

    /// Reports what something means here, by a rule.
    pub(crate) fn note(&mut self, path: &Path, rule: &'static str, message: impl Into<String>) {
        self.findings.push(Finding {
            severity: Severity::Note,
            message: message.into(),
            path: path.to_string(),
            location: Some(self.document.locate_key(path)),
            rule: Some(rule),
        });
    }

    /// Reports keys that are known and not active, and keys that are not known.
    pub(crate) fn check_keys(&mut self, keys: &Keys) {
        for (key, value) in self.entries() {
            let path = self.path.key(&key);
            match keys.lookup(&key) {
                // Of names of which only the beginning is known, those are others that act elsewhere, or look like slips.
                Known::Active | Known::NotActive
                    if !keys.spells_out(&key) && is_other(keys, &key) =>
                {
                    let message = self.misplaced(&key).unwrap_or_else(|| unknown(keys, &key));
                    self.warn(&path, message);
                }
                Known::NotActive if says_something(&key, value) => {
                    let is_shared_state = key.starts_with("redis_");
                    let detail = match is_shared_state {
                        true => ": state is per process",
                        false => "",
                    };
                    self.not_active(&path, detail);
                }
                Known::Active | Known::NotActive => {}
                Known::Not => {
                    let message = self.misplaced(&key).unwrap_or_else(|| unknown(keys, &key));
                    self.warn(&path, message);
                }
            }
        }
    }

    /// Says where a key belongs that has its meaning elsewhere. Keys of deployments often come here by an indentation
    /// that was lost.
    fn misplaced(&self, key: &str) -> Option<String> {
        let homes = keys::homes(key);
        let has = |home| homes.contains(&home);
        let in_params = matches!(key, "api_base" | "api_key" | "model");
        let lost = if self.path.is_root() && has("model_list") {
            "an entry of `model_list`"
        } else if self.path.is_root() && in_params {
            "`litellm_params` of an entry of `model_list`"
        } else if self.path.is_item_of("model_list") && has("litellm_params") {
            "`litellm_params`"
        } else if self.path.is_item_of("model_list") && has("model_info") {
            "`model_info`"
        } else {
            let is_section = |home: &&&str| home.ends_with("_settings");
            let sections: Vec<_> = match homes.iter().any(|home| is_section(&home)) {
                true => homes.iter().filter(is_section).copied().collect(),
                false => homes,
            };
            let sections = sections.join("` or `");
            return (!sections.is_empty())
                .then(|| format!("has no effect here; it belongs to `{sections}`"));
        };
        Some(format!(
            "has no effect here; it belongs to {lost}: is its indentation lost?"
        ))
    }

    /// Reports keys that are known and not active, and lets all others pass.
    pub(crate) fn check_not_active(&mut self, keys: &Keys) {
        for (key, value) in self.entries() {
            if matches!(keys.lookup(&key), Known::NotActive) && says_something(&key, value) {
                self.not_active(&self.path.key(&key), "");
            }
        }
    }

    pub(crate) fn not_active(&mut self, path: &Path, detail: &str) {
        self.findings.push(Finding {
            severity: Severity::NotActive,
            message: format!("not active yet: {path}{detail}"),
            path: path.to_string(),
            location: Some(self.document.locate_key(path)),
            rule: None,
        });
    }
}

/// A setting that is switched off or empty asks for nothing, unless it is on by itself.
pub(crate) fn says_something(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(false) => keys::is_on_by_itself(key),
        Value::String(text) if scalar::word(text) == Some(false) => keys::is_on_by_itself(key),
        Value::String(text) => !text.is_empty(),
        Value::Sequence(items) => !items.is_empty(),
        Value::Mapping(entries) => !entries.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Tagged(_) => true,
    }
}

/// Whether a name acts elsewhere, or is almost one that acts.
fn is_other(keys: &Keys, key: &str) -> bool {
    !keys::homes(key).is_empty()
        || keys::nearest(key, keys.active()).is_some()
        || keys::nearest_elsewhere(key).is_some()
}

fn unknown(keys: &Keys, key: &str) -> String {
    if let Some(near) = keys.nearest(key) {
        return format!("unknown setting; did you mean `{near}`?");
    }
    match keys::nearest_elsewhere(key) {
        Some(place) => format!("unknown setting; did you mean `{place}`?"),
        None => "unknown setting".to_owned(),
    }
}

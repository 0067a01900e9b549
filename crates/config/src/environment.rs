//! Environment variables: those of the file over those of the process.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_yaml::Value;

use crate::location::{Path, Step};

/// What a value that names an environment variable begins with.
const REFERENCE: &str = "os.environ/";

pub(crate) type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Cloning counts references.
#[derive(Clone)]
pub(crate) struct Environment {
    overlay: Arc<BTreeMap<String, String>>,
    process: Lookup,
}

/// A reference to a variable that is not set.
pub(crate) struct Unset {
    pub(crate) path: Path,
    pub(crate) variable: String,
}

// === impl Environment ===

impl Environment {
    /// Lays `environment_variables` over the process. A variable may refer to another one, of the
    /// file or of the process; a reference to itself means that of the process.
    pub(crate) fn new(process: Lookup, section: Option<&Value>) -> Self {
        let written: BTreeMap<String, String> = section
            .and_then(Value::as_mapping)
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.as_str()?.to_owned(), as_text(value)?)))
            .collect();
        let literal = |name: &str| written.get(name).filter(|text| reference(text).is_none());
        let overlay: BTreeMap<_, _> = written
            .iter()
            .filter_map(|(name, text)| match reference(text) {
                None => Some((name.clone(), text.clone())),
                Some(target) => {
                    let value = literal(target).cloned().or_else(|| process(target))?;
                    Some((name.clone(), value))
                }
            })
            .collect();
        let overlay = Arc::new(overlay);
        Self { overlay, process }
    }

    /// Returns a variable; one that is set to nothing counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = self.overlay.get(name).cloned();
        value
            .or_else(|| (self.process)(name))
            .filter(|value| !value.is_empty())
    }

    /// Replaces all references in `value`, at any depth; those that are not set become null.
    pub(crate) fn resolve(&self, value: &mut Value, path: &Path, unset: &mut Vec<Unset>) {
        match value {
            Value::String(text) => {
                let Some(variable) = reference(text).map(str::to_owned) else {
                    return;
                };
                *value = self.get(&variable).map_or(Value::Null, Value::String);
                if value.is_null() {
                    let path = path.clone();
                    unset.push(Unset { path, variable });
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.resolve(item, &path.index(index), unset);
                }
            }
            Value::Mapping(entries) => {
                for (key, item) in entries.iter_mut() {
                    self.resolve(item, &path.key(&key_text(key)), unset);
                }
            }
            Value::Tagged(tagged) => self.resolve(&mut tagged.value, path, unset),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Shows the names of the file's variables, not their values.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.overlay.keys().collect::<Vec<_>>();
        f.debug_struct("Environment")
            .field("overlay", &names)
            .finish_non_exhaustive()
    }
}

// === impl Unset ===

impl Unset {
    /// What is to be said about it.
    pub(crate) fn message(&self) -> String {
        format!("environment variable `{}` is not set", self.variable)
    }

    /// The same, with the deployment that is concerned.
    pub(crate) fn message_for(&self, model_name: &str) -> String {
        format!("{}, for deployment `{model_name}`", self.message())
    }

    /// Returns whether the reference is the value of this key of a mapping.
    pub(crate) fn is_at(&self, mapping: &Path, key: &str) -> bool {
        let own = Step::Key(key.to_owned());
        self.path.steps().split_last() == Some((&own, mapping.steps()))
    }
}

fn reference(text: &str) -> Option<&str> {
    text.strip_prefix(REFERENCE)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The text of a key of a mapping; keys that are lists or mappings have none.
pub(crate) fn key_text(key: &Value) -> String {
    as_text(key).unwrap_or_default()
}

//! The file as values with their positions.

use std::{collections::HashMap, ops::Range, path::Path as FilePath, rc::Rc, sync::Arc};

use serde_json::Map;
use serde_yaml::Value;

use crate::{
    Finding, Location, Severity,
    environment::{Environment, Lookup, Unset, key_text},
    include,
    location::Path,
    places::{Places, Positions, at},
    scalar,
    schema::Recorder,
    text,
    tree::{Fault, Mark, Tree},
    yaml,
};

/// The values of a file: merge keys applied, references to the environment resolved.
pub(crate) struct Document {
    pub(crate) root: Value,
    pub(crate) environment: Environment,
    /// References that are null because their variable is not set.
    pub(crate) unset: Vec<Unset>,
    /// Which of them stand in which entry of a list at the top: they follow one another.
    unset_by_entry: HashMap<Path, Range<usize>>,
    pub(crate) places: Places,
    /// What is to be said about files that are included.
    pub(crate) findings: Vec<Finding>,
    /// Variables of the environment need not be set.
    pub(crate) lenient: bool,
    /// Takes notes of what is read, for the schema.
    pub(crate) recorder: Option<Rc<Recorder>>,
}

/// One file, as it is written.
pub(crate) struct Source {
    pub(crate) root: Value,
    pub(crate) positions: Positions,
}

/// Reads the text, or says why it is not one YAML mapping with unique keys.
pub(crate) fn read(text: &str, file: &str) -> Result<Source, Vec<Finding>> {
    let file: Arc<str> = Arc::from(file);
    // The parsers count a byte order mark as a column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tree = Tree::parse(text);
    let faults = std::mem::take(&mut tree.faults);
    if !faults.is_empty() {
        let errors = faults.into_iter().map(|fault| error(&file, fault));
        return Err(errors.collect());
    }
    let mut root = mapping(text).map_err(|fault| {
        let faults = [fault].into_iter().chain(lost_indentation(text));
        faults.map(|fault| error(&file, fault)).collect::<Vec<_>>()
    })?;
    restore_integers(&mut root, &Path::default(), &tree);
    Ok(Source {
        root,
        positions: Positions {
            file,
            tree,
            before: Vec::new(),
        },
    })
}

// === impl Document ===

impl Document {
    /// Reads the text and the files that it includes, whose paths start from `directory`.
    pub(crate) fn parse(
        text: &str,
        file: &str,
        directory: &FilePath,
        process: Lookup,
        lenient: bool,
    ) -> Result<Self, Vec<Finding>> {
        let merged = include::merge(read(text, file)?, directory);
        let variables = merged.root.get("environment_variables");
        let mut document = Self {
            environment: Environment::new(process, variables),
            root: merged.root,
            unset: Vec::new(),
            unset_by_entry: HashMap::new(),
            places: merged.places,
            findings: merged.findings,
            lenient,
            recorder: None,
        };
        document.resolve();
        Ok(document)
    }

    /// Resolves all references but those inside `environment_variables`, which are resolved.
    fn resolve(&mut self) {
        for (key, value) in self.root.as_mapping_mut().into_iter().flatten() {
            let key = key_text(key);
            if key != "environment_variables" {
                let path = Path::default().key(&key);
                self.environment.resolve(value, &path, &mut self.unset);
            }
        }
        for (n, unset) in self.unset.iter().enumerate() {
            let range = self.unset_by_entry.entry(unset.path.first(2));
            range.or_insert(n..n).end = n + 1;
        }
    }

    /// Returns the references that are not set in an entry of a list at the top of the file.
    pub(crate) fn unset_in(&self, entry: &Path) -> &[Unset] {
        let range = self.unset_by_entry.get(entry).cloned();
        &self.unset[range.unwrap_or_default()]
    }

    /// Returns where a value stands, or where the nearest mapping or list around it does.
    pub(crate) fn locate(&self, path: &Path) -> Location {
        self.places.locate(path)
    }

    /// Returns where a key stands, or where the nearest mapping or list around it does.
    pub(crate) fn locate_key(&self, path: &Path) -> Location {
        self.places.locate_key(path)
    }

    /// Returns the text of a value that is written without quotes and tag.
    pub(crate) fn plain_text(&self, path: &Path) -> Option<&str> {
        self.places.plain_text(path)
    }

    /// Turns a value into JSON. Words that are booleans in YAML 1.1 become booleans, unless they
    /// are quoted. Integers that JSON numbers do not hold here are refused.
    pub(crate) fn json(&self, path: &Path, value: &Value) -> Result<serde_json::Value, String> {
        Ok(match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => self.json_number(number)?,
            Value::String(text) => {
                let plain = self.plain_text(path) == Some(text);
                if plain && scalar::is_long_integer(text) {
                    return Err("the number is too long; text needs quotes".to_owned());
                }
                match scalar::word(text).filter(|_| plain) {
                    Some(flag) => flag.into(),
                    None => text.as_str().into(),
                }
            }
            Value::Sequence(items) => {
                let item = |(n, item)| self.json(&path.index(n), item);
                let items = items.iter().enumerate().map(item);
                items.collect::<Result<Vec<_>, _>>()?.into()
            }
            Value::Mapping(_) => self.json_map(path, value)?.into(),
            Value::Tagged(_) => return Err("tags have no meaning here".to_owned()),
        })
    }

    /// Turns a mapping into a JSON object; anything else gives an empty one.
    pub(crate) fn json_map(
        &self,
        path: &Path,
        value: &Value,
    ) -> Result<Map<String, serde_json::Value>, String> {
        let entries = value.as_mapping().into_iter().flatten();
        let entry = |(key, value)| {
            let key = key_text(key);
            let value = self.json(&path.key(&key), value)?;
            Ok((key, value))
        };
        entries.map(entry).collect()
    }

    fn json_number(&self, number: &serde_yaml::Number) -> Result<serde_json::Value, String> {
        let whole = number.as_u64().map(serde_json::Number::from);
        let whole = whole.or_else(|| number.as_i64().map(serde_json::Number::from));
        whole
            .or_else(|| serde_json::Number::from_f64(number.as_f64()?))
            .map(serde_json::Value::Number)
            .ok_or_else(|| "expected a finite number".to_owned())
    }
}

fn error(file: &Arc<str>, fault: Fault) -> Finding {
    Finding {
        severity: Severity::Error,
        message: fault.message,
        path: fault.path.to_string(),
        location: Some(at(file, fault.at)),
        rule: None,
    }
}

/// Reads the text, which must be a mapping.
fn mapping(source: &str) -> Result<Value, Fault> {
    let fault = |message, at: Option<Mark>| Fault {
        path: Path::default(),
        at: at.unwrap_or(Mark::START),
        message,
    };
    match yaml::read(source) {
        Ok(root @ Value::Mapping(_)) => Ok(root),
        Ok(Value::Null) => Err(fault("the file is empty".to_owned(), None)),
        Ok(other) => Err(fault(
            scalar::expected("a mapping of sections", &other),
            None,
        )),
        Err(unreadable) => {
            let at = match unreadable.message.contains("control characters") {
                true => text::control_character(source).or(unreadable.at),
                false => unreadable.at,
            };
            let told = at.and_then(|at| text::explain(&unreadable.message, source, at));
            let told = told.map(|told| format!("not readable as YAML: {told}"));
            Err(fault(told.unwrap_or(unreadable.message), at))
        }
    }
}

/// Copied text often loses its indentation, and then is no YAML behind the second entry of the list.
fn lost_indentation(text: &str) -> Option<Fault> {
    const KEY: &str = "litellm_params:";
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut item = None;
    for (index, line) in text.lines().enumerate() {
        let content = line.trim_start();
        if content.starts_with("- model_name:") {
            item = Some(indent(line));
        } else if content.starts_with(KEY) && item.is_some_and(|item| indent(line) <= item) {
            return Some(Fault {
                path: Path::default().key("litellm_params"),
                at: Mark {
                    line: index + 1,
                    column: indent(line) + 1,
                },
                message:
                    "stands beside its entry of `model_list`, not in it: is its indentation lost?"
                        .to_owned(),
            });
        }
    }
    None
}

/// Turns integers of more than 64 bits into the text that is written: the float that they were
/// read as is another number, and what looks like one may be a key.
fn restore_integers(value: &mut Value, path: &Path, tree: &Tree) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(text) = tree.plain_text(path).filter(|text| is_integer(text)) {
                *value = Value::String(text.to_owned());
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                restore_integers(item, &path.index(index), tree);
            }
        }
        Value::Mapping(entries) => {
            for (key, item) in entries.iter_mut() {
                restore_integers(item, &path.key(&key_text(key)), tree);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Tagged(_) => {}
    }
}

/// Whether a number is written with digits only, decimal or of the bases 16, 8 and 2.
fn is_integer(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let bases = ["0x", "0o", "0b"];
    bases.iter().any(|base| unsigned.starts_with(base))
        || unsigned.bytes().all(|byte| byte.is_ascii_digit())
}

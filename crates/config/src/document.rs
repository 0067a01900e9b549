//! The file as values with their positions.

use std::sync::Arc;

use serde_json::Map;
use serde_yaml::Value;

use crate::{
    Finding, Location, Severity,
    environment::{Environment, Lookup, Unset, key_text},
    location::Path,
    scalar,
    tree::{Mark, Tree},
};

/// The values of a file: merge keys applied, references to the environment resolved.
pub(crate) struct Document {
    pub(crate) root: Value,
    pub(crate) environment: Environment,
    /// References that are null because their variable is not set.
    pub(crate) unset: Vec<Unset>,
    tree: Tree,
    file: Arc<str>,
}

// === impl Document ===

impl Document {
    /// Reads the text, or says why it is not one YAML mapping with unique keys.
    pub(crate) fn parse(text: &str, file: &str, process: Lookup) -> Result<Self, Vec<Finding>> {
        let file = Arc::from(file);
        // The parsers count a byte order mark as a column.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut tree = Tree::parse(text);
        let faults = std::mem::take(&mut tree.faults);
        if !faults.is_empty() {
            let error = |fault: crate::tree::Fault| Finding {
                severity: Severity::Error,
                message: fault.message,
                path: fault.path.to_string(),
                location: Some(at(&file, fault.at)),
            };
            return Err(faults.into_iter().map(error).collect());
        }
        let root = deserialize(text, &file).map_err(|error| vec![error])?;
        let environment = Environment::new(process, root.get("environment_variables"));
        let mut document = Self {
            root,
            environment,
            unset: Vec::new(),
            tree,
            file,
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
    }

    /// Returns where a value stands, or where the nearest mapping or list around it does.
    pub(crate) fn locate(&self, path: &Path) -> Option<Location> {
        let mark = self.tree.value_at(path);
        self.location(mark, path)
    }

    /// Returns where a key stands, or where the nearest mapping or list around it does.
    pub(crate) fn locate_key(&self, path: &Path) -> Option<Location> {
        let mark = self.tree.key_at(path);
        self.location(mark, path)
    }

    fn location(&self, mark: Option<Mark>, path: &Path) -> Option<Location> {
        match mark {
            Some(mark) => Some(at(&self.file, mark)),
            None => self.locate(&path.parent()?),
        }
    }

    /// Turns a value into JSON. Words that are booleans in YAML 1.1 become booleans, unless they
    /// are quoted.
    pub(crate) fn json(&self, path: &Path, value: &Value) -> Result<serde_json::Value, String> {
        Ok(match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => self.json_number(number)?,
            Value::String(text) => {
                let plain = self.tree.plain_text(path) == Some(text);
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

fn at(file: &Arc<str>, mark: Mark) -> Location {
    Location {
        file: Arc::clone(file),
        line: mark.line,
        column: mark.column,
    }
}

fn deserialize(text: &str, file: &Arc<str>) -> Result<Value, Finding> {
    let error = |message: String, location| Finding {
        severity: Severity::Error,
        message,
        path: String::new(),
        location,
    };
    let mut root: Value = serde_yaml::from_str(text).map_err(|failure| {
        let message = failure.to_string();
        // The position is said once, in front.
        let message = message.split(" at line ").next().unwrap_or(&message);
        let location = failure.location().map(|place| Location {
            file: Arc::clone(file),
            line: place.line(),
            column: place.column(),
        });
        error(format!("not readable as YAML: {message}"), location)
    })?;
    root.apply_merge()
        .map_err(|failure| error(failure.to_string(), None))?;
    match root {
        Value::Mapping(_) => Ok(root),
        Value::Null => Err(error("the file is empty".to_owned(), None)),
        other => {
            let message = scalar::expected("a mapping of sections", &other);
            let mark = Mark { line: 1, column: 1 };
            Err(error(message, Some(at(file, mark))))
        }
    }
}

//! Files that are included: read, and merged into the file that names them.

use std::{
    collections::HashSet,
    fmt, fs,
    path::{Path as FilePath, PathBuf},
};

use serde_yaml::Value;

use crate::{
    Finding, Severity,
    document::{Source, read},
    environment::key_text,
    location::Path,
    places::{Places, Positions, at},
    scalar,
    text::{self, NoText},
};

const KEY: &str = "include";

fn unreadable(why: impl fmt::Display) -> NoText {
    NoText {
        message: format!("cannot be read: {why}"),
        at: None,
    }
}

/// A file and all that it includes.
pub(crate) struct Merged {
    pub(crate) root: Value,
    pub(crate) places: Places,
    /// What is wrong with files that are included, and which of their settings have no effect.
    pub(crate) findings: Vec<Finding>,
}

struct Merger {
    root: Value,
    files: Vec<Positions>,
    findings: Vec<Finding>,
    /// Files that were read, by their canonical paths.
    read: HashSet<PathBuf>,
}

/// Reads what `source` includes, relative to `directory`, and what that includes. Mappings are merged key by key, the
/// including file wins; lists are joined, those of the including file first.
pub(crate) fn merge(source: Source, directory: &FilePath) -> Merged {
    let mut read = HashSet::new();
    read.extend(fs::canonicalize(&*source.positions.file));
    let mut merger = Merger {
        root: source.root,
        files: vec![source.positions],
        findings: Vec::new(),
        read,
    };
    let own = merger.take_includes();
    merger.include(&own, directory, 0);
    Merged {
        root: merger.root,
        places: Places::new(merger.files),
        findings: merger.findings,
    }
}

// === impl Merger ===

impl Merger {
    /// Takes the list out of the merged file, so that the next one stands alone there.
    fn take_includes(&mut self) -> Value {
        let root = self.root.as_mapping_mut();
        let list = root.and_then(|root| root.remove(KEY));
        list.unwrap_or(Value::Null)
    }

    /// Reads the files of a list that stands in the file `by`.
    fn include(&mut self, list: &Value, directory: &FilePath, by: usize) {
        let path = Path::default().key(KEY);
        let items = match list {
            Value::Null => return,
            Value::Sequence(items) => items,
            other => {
                let message = scalar::expected("a list of files", other);
                return self.error(by, &path, message);
            }
        };
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            match item.as_str().filter(|name| !name.is_empty()) {
                Some(name) => self.read(name, directory, by, &path),
                None => {
                    let message = scalar::expected("the path of a file", item);
                    self.error(by, &path, message);
                }
            }
        }
    }

    fn read(&mut self, name: &str, directory: &FilePath, by: usize, path: &Path) {
        let file = directory.join(name);
        // A device would be read for ever.
        let is_file = fs::metadata(&file).map(|file| file.is_file());
        let text = match is_file {
            Ok(true) => text::read(&file),
            Ok(false) => Err(unreadable("not a file")),
            Err(error) => Err(unreadable(error)),
        };
        let text = match text {
            Ok(text) => text,
            Err(NoText { message, at: None }) => {
                return self.error(by, path, format!("`{name}` {message}"));
            }
            Err(NoText {
                message,
                at: Some(mark),
            }) => {
                let place = at(&file.display().to_string().into(), mark);
                return self.error(by, path, format!("`{name}` {message}, at {place}"));
            }
        };
        let is_new = fs::canonicalize(&file).is_ok_and(|file| self.read.insert(file));
        if !is_new {
            return;
        }
        match read(&text, &file.display().to_string()) {
            Ok(source) => self.add(source, &file),
            Err(mut errors) => self.findings.append(&mut errors),
        }
    }

    fn add(&mut self, source: Source, file: &FilePath) {
        let Source {
            mut root,
            positions,
        } = source;
        let own = root.as_mapping_mut().and_then(|root| root.remove(KEY));
        let by = self.files.len();
        self.files.push(positions);
        let mut merged = std::mem::take(&mut self.root);
        self.merge(&mut merged, root, &Path::default(), by);
        self.root = merged;
        let directory = file.parent().unwrap_or(FilePath::new(""));
        self.include(&own.unwrap_or_default(), directory, by);
    }

    fn merge(&mut self, base: &mut Value, more: Value, path: &Path, by: usize) {
        match (base, more) {
            (_, Value::Null) => {}
            (base @ Value::Null, more) => *base = more,
            (Value::Sequence(items), Value::Sequence(more)) => {
                self.files[by].before.push((path.clone(), items.len()));
                items.extend(more);
            }
            (Value::Mapping(entries), Value::Mapping(more)) => {
                for (key, value) in more {
                    let path = path.key(&key_text(&key));
                    match entries.get_mut(&key) {
                        Some(known) => self.merge(known, value, &path, by),
                        None => drop(entries.insert(key, value)),
                    }
                }
            }
            (base, more) if *base == more => {}
            _ => self.conflict(by, path),
        }
    }

    fn conflict(&mut self, by: usize, path: &Path) {
        let winner = self.locate(0..by, path);
        let place = winner
            .map(|place| format!(" at {place}"))
            .unwrap_or_default();
        let finding = Finding {
            severity: Severity::Warning,
            message: format!("has no effect: the including file has another value{place}"),
            path: path.to_string(),
            location: self.locate(by..by + 1, path),
            rule: Some("R4"),
        };
        self.findings.push(finding);
    }

    fn error(&mut self, by: usize, path: &Path, message: String) {
        self.findings.push(Finding {
            severity: Severity::Error,
            message,
            path: path.to_string(),
            location: self.locate(by..by + 1, path),
            rule: None,
        });
    }

    fn locate(&self, files: std::ops::Range<usize>, path: &Path) -> Option<crate::Location> {
        let mut files = self.files[files].iter();
        files.find_map(|file| file.locate(path))
    }
}

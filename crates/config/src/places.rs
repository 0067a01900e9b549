//! Where the values of a configuration stand.

use std::{fmt, sync::Arc};

use crate::{
    Location,
    location::{Path, Step},
    tree::{Mark, Tree},
};

/// Finds the place of every key and value, in whichever file it stands. Cloning counts references.
#[derive(Clone)]
pub(crate) struct Places {
    files: Arc<Vec<Positions>>,
}

/// The positions of one of the files that make up a configuration.
pub(crate) struct Positions {
    pub(crate) file: Arc<str>,
    pub(crate) tree: Tree,
    /// Lists that begin in other files, and how many of their items stand there.
    pub(crate) before: Vec<(Path, usize)>,
}

// === impl Places ===

impl Places {
    /// The first file comes before the others where several have a key.
    pub(crate) fn new(files: Vec<Positions>) -> Self {
        Self {
            files: Arc::new(files),
        }
    }

    /// Returns where a value stands, or where the nearest mapping or list around it does.
    pub(crate) fn locate(&self, path: &Path) -> Location {
        self.find(path, Tree::value_at)
    }

    /// Returns where a key stands, or where the nearest mapping or list around it does.
    pub(crate) fn locate_key(&self, path: &Path) -> Location {
        self.find(path, Tree::key_at)
    }

    /// Returns the text of a value that is written without quotes and tag.
    pub(crate) fn plain_text(&self, path: &Path) -> Option<&str> {
        let mut files = self.files.iter();
        files.find_map(|file| file.tree.plain_text(&file.own(path)?))
    }

    /// Returns whether there is such a key or item.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let mut files = self.files.iter();
        files.any(|file| file.mark(path, Tree::key_at).is_some())
    }

    /// Returns whether there is such a key, with a value that asks for something.
    pub(crate) fn says_something(&self, path: &Path) -> bool {
        const NOTHING: [&str; 9] = ["", "~", "null", "Null", "false", "False", "no", "off", "0"];
        let is_nothing = |text| NOTHING.contains(&text);
        let mut files = self.files.iter();
        let is_empty = files.all(|file| file.own(path).is_none_or(|own| file.tree.is_empty(&own)));
        !is_empty && !self.plain_text(path).is_some_and(is_nothing)
    }

    /// The names of the files, the first one first.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| &*file.file)
    }

    fn find(&self, path: &Path, mark: fn(&Tree, &Path) -> Option<Mark>) -> Location {
        let mut files = self.files.iter();
        let found = files.find_map(|file| Some(at(&file.file, file.mark(path, mark)?)));
        match (found, path.parent()) {
            (Some(location), _) => location,
            (None, Some(parent)) => self.locate(&parent),
            (None, None) => at(&self.files[0].file, Mark::START),
        }
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files()).finish()
    }
}

// === impl Positions ===

impl Positions {
    /// Returns where a value stands.
    pub(crate) fn locate(&self, path: &Path) -> Option<Location> {
        let mark = self.mark(path, Tree::value_at)?;
        Some(at(&self.file, mark))
    }

    fn mark(&self, path: &Path, mark: fn(&Tree, &Path) -> Option<Mark>) -> Option<Mark> {
        mark(&self.tree, &self.own(path)?)
    }

    /// The path as it is in this file; `None` for items of lists that stand in others.
    fn own(&self, path: &Path) -> Option<Path> {
        let mut own = path.clone();
        for (list, before) in &self.before {
            let at = list.steps().len();
            if path.starts_with(list)
                && let Some(Step::Index(index)) = path.steps().get(at)
            {
                own.set(at, Step::Index(index.checked_sub(*before)?));
            }
        }
        Some(own)
    }
}

pub(crate) fn at(file: &Arc<str>, mark: Mark) -> Location {
    Location {
        file: Arc::clone(file),
        line: mark.line,
        column: mark.column,
    }
}

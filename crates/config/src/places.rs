//! Where the values of a configuration stand.

use std::{fmt, sync::Arc};

use crate::{
    Location,
    location::Path,
    tree::{Mark, Tree},
};

/// Finds the place of every key and value. Cloning counts references.
#[derive(Clone)]
pub(crate) struct Places {
    tree: Arc<Tree>,
    file: Arc<str>,
}

impl Places {
    pub(crate) fn new(tree: Tree, file: &Arc<str>) -> Self {
        Self {
            tree: Arc::new(tree),
            file: Arc::clone(file),
        }
    }

    /// Returns where a value stands, or where the nearest mapping or list around it does.
    pub(crate) fn locate(&self, path: &Path) -> Location {
        let mark = self.tree.value_at(path);
        self.location(mark, path)
    }

    /// Returns where a key stands, or where the nearest mapping or list around it does.
    pub(crate) fn locate_key(&self, path: &Path) -> Location {
        let mark = self.tree.key_at(path);
        self.location(mark, path)
    }

    /// Returns the text of a value that is written without quotes and tag.
    pub(crate) fn plain_text(&self, path: &Path) -> Option<&str> {
        self.tree.plain_text(path)
    }

    fn location(&self, mark: Option<Mark>, path: &Path) -> Location {
        match (mark, path.parent()) {
            (None, Some(parent)) => self.locate(&parent),
            (mark, _) => at(&self.file, mark.unwrap_or(Mark::START)),
        }
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Places").field(&self.file).finish()
    }
}

pub(crate) fn at(file: &Arc<str>, mark: Mark) -> Location {
    Location {
        file: Arc::clone(file),
        line: mark.line,
        column: mark.column,
    }
}

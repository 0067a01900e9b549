use std::{borrow::Cow, fmt};

use crate::json::Document;

/// What a caller notes about a request for its own books: the members `metadata` and `litellm_metadata`.
///
/// A request extension, put by the edge, read by observers. It never goes upstream. [`Debug`](fmt::Debug) shows names only:
/// values may tell of people.
#[derive(Clone, Default)]
pub struct Metadata {
    parts: Vec<Document>,
}

impl Metadata {
    /// Takes objects; of a name that several have, the first counts.
    pub fn new(objects: impl IntoIterator<Item = Document>) -> Self {
        Self {
            parts: objects.into_iter().collect(),
        }
    }

    /// Says whether nothing was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Returns a value as JSON text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.parts.iter().filter_map(|part| part.get(name));
        values.next().map(|value| value.text())
    }

    /// Returns the names, in the order in which they came.
    pub fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let parts = self.parts.iter();
        parts.flat_map(|part| part.members().map(|(name, _)| name))
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

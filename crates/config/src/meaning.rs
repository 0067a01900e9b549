//! What a file means, where that may not be what was meant.

use crate::{Config, Finding};

impl Config {
    /// Returns what is to be said about settings that are right each for itself: those that contradict one another,
    /// lead nowhere or in circles, or mean something else than in LiteLLM.
    #[must_use]
    pub fn meaning(&self) -> Vec<Finding> {
        Vec::new()
    }
}

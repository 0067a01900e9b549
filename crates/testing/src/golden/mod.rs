//! Recorded calls, played through a dialect's leaf against a scripted upstream.
//!
//! Each recording is a file of JSON that holds a deployment, a client's request, the request that the upstream must get,
//! the upstream's answer, and what the client must get for it. [`Golden`] plays all that lie in a directory and compares
//! by meaning: what providers and clients take for the same counts as the same.

mod better;
mod compare;
mod expect;
mod play;
mod step;

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use serde_json::Value;
use ziggurat_provider::Dialect;

pub use self::{better::Better, play::Case};

/// Recordings, and what is known of them.
pub struct Golden {
    fixtures: BTreeMap<String, Value>,
    better: Better,
    deliberate: &'static [(&'static str, &'static str)],
}

/// How many recordings are met, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that were played.
    pub total: usize,
    /// Of those, the ones whose request is the recorded one.
    pub request_equal: usize,
    /// Of those, the ones whose answer is the recorded one.
    pub answer_equal: usize,
    /// Where the recording gateway is bettered in either.
    pub better: usize,
    /// Where the dialect differs on purpose.
    pub different: usize,
}

// === impl Golden ===

impl Golden {
    /// Reads the recordings in `root/<provider>/*.json`; their keys are `<provider>/<file>`.
    ///
    /// # Panics
    ///
    /// A file cannot be read.
    #[must_use]
    pub fn read(root: impl AsRef<Path>, providers: &[&str]) -> Self {
        let mut fixtures = BTreeMap::new();
        for provider in providers {
            for file in std::fs::read_dir(root.as_ref().join(provider)).expect("a directory") {
                let path = file.expect("a file").path();
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                let text = std::fs::read(&path).expect("a readable file");
                let fixture = serde_json::from_slice(&text).expect("a file of JSON");
                fixtures.insert(format!("{provider}/{name}"), fixture);
            }
        }
        Self {
            fixtures,
            better: Better::new(),
            deliberate: &[],
        }
    }

    /// Says where a recording is bettered.
    #[must_use]
    pub fn better(mut self, better: Better) -> Self {
        self.better = better;
        self
    }

    /// Names the recordings from which a dialect differs on purpose, and why.
    #[must_use]
    pub fn deliberate(mut self, deliberate: &'static [(&'static str, &'static str)]) -> Self {
        self.deliberate = deliberate;
        self
    }

    /// Returns the number of recordings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fixtures.len()
    }

    /// Says whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fixtures.is_empty()
    }

    /// Plays all. `build` makes the dialect of a recording's deployment, or `None` if it refuses the deployment.
    ///
    /// # Panics
    ///
    /// A recording is not met, or one that should differ is; the message lists all of them.
    pub async fn play(&self, build: impl Fn(&Case<'_>) -> Option<Arc<dyn Dialect>>) -> Counts {
        let mut counts = Counts::default();
        let mut report = String::new();
        for (key, fixture) in &self.fixtures {
            let outcome = play::play(key, fixture, &build).await;
            let differences = expect::differences(key, fixture, &self.better, &outcome);
            let deliberate = self.deliberate.iter().any(|(name, _)| name == key);
            counts.total += 1;
            counts.request_equal += usize::from(differences.request_is_equal());
            counts.answer_equal += usize::from(differences.answer_is_equal());
            counts.better += usize::from(differences.is_better && !differences.any());
            counts.different += usize::from(deliberate);
            match (differences.any(), deliberate) {
                (false, false) | (true, true) => {}
                (false, true) => report += &format!("{key}: differs no more\n"),
                (true, false) => report += &format!("{key}:\n  {}\n", differences.list()),
            }
        }
        assert!(report.is_empty(), "\n{report}");
        counts
    }
}

impl fmt::Debug for Golden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Golden")
            .field("recordings", &self.fixtures.len())
            .finish_non_exhaustive()
    }
}

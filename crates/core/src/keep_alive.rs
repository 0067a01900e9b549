use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Extensions;

/// How long a stream may be silent before its client gets a sign of life: a response extension, put by the leaf, read by the
/// edge. Zero: it gets none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeepAlive(pub Duration);

/// The same of the deployment that was asked last, as long as none has answered: a handle that all clones share.
///
/// A request extension. Put by the edge, if it would send signs of life so early; written by the leaf when it is called.
#[derive(Clone, Debug, Default)]
pub struct AskedKeepAlive {
    /// One more than the microseconds; 0 is nothing told.
    told: Arc<AtomicU64>,
}

impl AskedKeepAlive {
    /// Writes that of a deployment that is asked; the last word counts.
    pub fn tell(&self, KeepAlive(every): KeepAlive) {
        let micros = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
        self.told.store(micros.saturating_add(1), Ordering::Relaxed);
    }

    /// Returns what was told last.
    #[must_use]
    pub fn get(&self) -> Option<KeepAlive> {
        let micros = self.told.load(Ordering::Relaxed).checked_sub(1)?;
        Some(KeepAlive(Duration::from_micros(micros)))
    }
}

/// The head of this response went out before there was an answer.
///
/// A response extension. Put by the edge, which writes into it the extensions of the answer once there is one; read by those
/// outside of it, for whom what this head lacks is no news of the answer.
#[derive(Clone, Debug, Default)]
pub struct LateAnswer {
    extensions: Arc<OnceLock<Extensions>>,
}

impl LateAnswer {
    /// Writes what the head of the answer has brought. Only the first word counts.
    pub fn tell(&self, extensions: Extensions) {
        // A second answer to one request cannot be: there is nothing to do about it.
        let _ = self.extensions.set(extensions);
    }

    /// Returns what the head of the answer has brought, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<&Extensions> {
        self.extensions.get()
    }
}

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts the [`Guard`]s that are alive: shows whether a dropped future or body frees what it held.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    held: Arc<AtomicUsize>,
}

impl Guards {
    /// Creates a count of zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands out a guard.
    #[must_use]
    pub fn take(&self) -> Guard {
        self.held.fetch_add(1, Ordering::Relaxed);
        Guard {
            guards: self.clone(),
        }
    }

    /// Returns the number of guards that have not been dropped.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Counted by its [`Guards`] until it is dropped; a clone counts as well.
#[derive(Debug)]
pub struct Guard {
    guards: Guards,
}

impl Clone for Guard {
    fn clone(&self) -> Self {
        self.guards.take()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.guards.held.fetch_sub(1, Ordering::Relaxed);
    }
}

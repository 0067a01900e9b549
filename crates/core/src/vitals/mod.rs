//! What this process knows of each deployment's health and load.
//!
//! Plain atomics: the request path reads them and takes no lock. They outlive the tree of services that was built
//! around them, so that a new tree goes on with what the old one learnt.

mod cooling;
mod health;
mod load;
mod word;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::DeploymentId;

pub use self::{
    cooling::{Change, Cooling, CoolingSnapshot, Phase, Recovery, Trial},
    health::{Health, Verdict},
    load::{Exhausted, InFlight, Limits, Load, LoadSnapshot, Used, Waiting},
};

/// The vital signs of one deployment, shared by all that route to it.
#[derive(Debug, Default)]
pub struct Vitals {
    cooling: Cooling,
    load: Load,
    health: Health,
}

/// The vital signs of all deployments, by their ids.
///
/// Read when a tree of services is built, not per request. Cloning counts a reference.
#[derive(Clone, Default)]
pub struct Board {
    vitals: Arc<Mutex<HashMap<DeploymentId, Arc<Vitals>>>>,
}

// === impl Vitals ===

impl Vitals {
    /// A deployment of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether it is resting, and since when.
    #[must_use]
    pub fn cooling(&self) -> &Cooling {
        &self.cooling
    }

    /// Returns what it has to do.
    #[must_use]
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// Returns what the last health check has found.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }
}

// === impl Board ===

impl Board {
    /// An empty board.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the vital signs of a deployment; the first to ask puts them up.
    #[must_use]
    pub fn vitals(&self, id: &DeploymentId) -> Arc<Vitals> {
        Arc::clone(self.lock().entry(id.clone()).or_default())
    }

    /// Forgets all deployments that `keep` does not hold on to.
    pub fn retain(&self, mut keep: impl FnMut(&DeploymentId) -> bool) {
        self.lock().retain(|id, _| keep(id));
    }

    /// Returns all deployments, sorted by id.
    #[must_use]
    pub fn all(&self) -> Vec<(DeploymentId, Arc<Vitals>)> {
        let all = self.lock();
        let mut all: Vec<_> = all
            .iter()
            .map(|(id, vitals)| (id.clone(), Arc::clone(vitals)))
            .collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeploymentId, Arc<Vitals>>> {
        // Every write is a single step: a panic elsewhere cannot leave half of one.
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all()).finish()
    }
}

use ziggurat_core::{Attempt, Tried};

/// How far a request has come in the orders of its group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    /// The highest that was tried.
    top: f64,
    /// The highest that it has left, whoever of it is untried.
    left: f64,
}

impl Levels {
    pub(crate) fn of(tried: &Tried) -> Self {
        let hop = tried.hops();
        tried.read(|attempts| {
            let here = |attempt: &&Attempt| attempt.hop == hop && attempt.deployment.is_some();
            let here = attempts.iter().filter(here);
            let left = here.clone().filter(|attempt| attempt.order_left);
            Self {
                top: here.map(Attempt::level).fold(NONE.top, f64::max),
                left: left.map(Attempt::level).fold(NONE.left, f64::max),
            }
        })
    }

    /// Takes a deployment of this level as tried.
    pub(crate) fn with(self, level: f64) -> Self {
        let top = self.top.max(level);
        Self { top, ..self }
    }

    pub(crate) fn is_higher(&self, level: f64) -> bool {
        level > self.top
    }

    pub(crate) fn is_left(&self, level: f64) -> bool {
        level <= self.left
    }
}

/// The levels of a request that has been nowhere.
const NONE: Levels = Levels {
    top: f64::NEG_INFINITY,
    left: f64::NEG_INFINITY,
};

impl Default for Levels {
    fn default() -> Self {
        NONE
    }
}

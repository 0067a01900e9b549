use std::sync::Arc;

use tower_layer::Layer;
use ziggurat_core::{ByStatus, Failure};

use crate::{
    Breaker, Cooldown, Group,
    settings::{Gate, Role, Settings},
    watch::upstream_status,
};

/// Gives a service that fails a rest: see the [crate page](crate).
#[derive(Clone, Debug)]
pub struct CooldownLayer<C = ByStatus> {
    settings: Settings<C>,
}

impl CooldownLayer {
    /// Watches the calls of one deployment, and refuses them while it rests.
    #[must_use]
    pub const fn new(breaker: Breaker) -> Self {
        let gate = Gate {
            breaker,
            group: None,
            protected: false,
            last_resort: false,
            hopeless_too: false,
        };
        Self {
            settings: Settings {
                classify: ByStatus,
                gate,
            },
        }
    }
}

impl<C> CooldownLayer<C> {
    /// Tells failures by `classify` instead of [`ByStatus`].
    #[must_use]
    pub fn classify<D>(self, classify: D) -> CooldownLayer<D> {
        CooldownLayer {
            settings: Settings {
                classify,
                gate: self.settings.gate,
            },
        }
    }

    /// Says that there is no one else to ask: the deployment is the only one of its group, and the group has no fallback
    /// chain. The default is false.
    ///
    /// Calls through a protected layer count, but begin no cooldown, and none is refused: a caller sees the upstream's own
    /// error, and not that it rests. Deployments behind a wildcard are protected as well.
    #[must_use]
    pub const fn protected(mut self, protected: bool) -> Self {
        self.settings.gate.protected = protected;
        self
    }

    /// Begins no cooldown that would take too many deployments of the group away. The default is no group.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.settings.gate.group = Some(group);
        self
    }

    /// Offers the deployment as a last resort while it rests, unless the cooldown came from a 401, 402, 404 or 429. The
    /// default is false.
    ///
    /// The offer is part of the rejection; whoever chooses among the deployments takes it with the extension
    /// [`LastResort`](ziggurat_core::LastResort).
    #[must_use]
    pub const fn last_resort(mut self, offered: bool) -> Self {
        self.settings.gate.last_resort = offered;
        self
    }

    /// Makes the offer of [`last_resort`](Self::last_resort) whatever the cooldown came from. The default is false.
    #[must_use]
    pub const fn last_resort_after_any_failure(mut self, any: bool) -> Self {
        self.settings.gate.hopeless_too = any;
        self
    }

    /// Counts a failure that was seen elsewhere, such as that of a health check, as if a call through this layer had failed
    /// with it. It is never the trial.
    pub fn record_failure(&self, failure: &Failure) {
        let gate = &self.settings.gate;
        gate.fail(failure, upstream_status(failure), Role::Plain, None);
    }
}

impl<S, C: Clone> Layer<S> for CooldownLayer<C> {
    type Service = Cooldown<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Cooldown::new(inner, Arc::new(self.settings.clone()))
    }
}

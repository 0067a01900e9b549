use std::sync::Arc;

use ziggurat_core::DeploymentId;

use crate::TARGET;

/// One service to choose, and what is declared about it.
///
/// The numbers are finite and not negative. Any other number counts as not declared, and a warning is logged.
#[derive(Clone, Debug)]
pub struct Endpoint<S> {
    declared: Declared,
    service: S,
}

/// What is declared about an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) id: DeploymentId,
    pub(crate) weight: Option<f64>,
    pub(crate) rpm: Option<f64>,
    pub(crate) tpm: Option<f64>,
    pub(crate) origin: Option<Arc<str>>,
    pub(crate) max_retries: Option<u32>,
}

// === impl Endpoint ===

impl<S> Endpoint<S> {
    /// Names a service.
    ///
    /// Attempts are told apart by the name: give each endpoint its own.
    pub fn new(id: impl Into<DeploymentId>, service: S) -> Self {
        Self {
            declared: Declared {
                id: id.into(),
                weight: None,
                rpm: None,
                tpm: None,
                origin: None,
                max_retries: None,
            },
            service,
        }
    }

    /// Declares a weight, relative to the other endpoints' weights.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.declared.weight = self.declared.number("weight", weight);
        self
    }

    /// Declares the requests per minute that the deployment is good for.
    #[must_use]
    pub fn rpm(mut self, rpm: f64) -> Self {
        self.declared.rpm = self.declared.number("rpm", rpm);
        self
    }

    /// Declares the tokens per minute that the deployment is good for.
    #[must_use]
    pub fn tpm(mut self, tpm: f64) -> Self {
        self.declared.tpm = self.declared.number("tpm", tpm);
        self
    }

    /// Declares where the deployment lives: those of one origin share their limits.
    ///
    /// When one of them asks for a wait, a request that was refused there goes to another origin first.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<Arc<str>>) -> Self {
        self.declared.origin = Some(origin.into());
        self
    }

    /// Declares the deployment's own number of retries, which is written into the attempt for the retry layer.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.declared.max_retries = Some(retries);
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn id(&self) -> &DeploymentId {
        &self.declared.id
    }

    /// Returns the service.
    pub fn get_ref(&self) -> &S {
        &self.service
    }

    /// Returns the service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.service
    }

    /// Unwraps the service.
    pub fn into_inner(self) -> S {
        self.service
    }

    pub(crate) fn declared(&self) -> &Declared {
        &self.declared
    }
}

// === impl Declared ===

impl Declared {
    fn number(&self, name: &'static str, value: f64) -> Option<f64> {
        let valid = value.is_finite() && value >= 0.0;
        if !valid {
            tracing::warn!(target: TARGET, deployment = %self.id, name, value, "number out of range, taken as not declared");
        }
        valid.then_some(value)
    }

    /// Says whether two deployments share their limits.
    pub(crate) fn shares_origin(&self, other: &Self) -> bool {
        self.origin.is_some() && self.origin == other.origin
    }
}

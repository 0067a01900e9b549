use std::{fmt, sync::Arc};

use http::HeaderName;
use tower_layer::Layer;
use ziggurat_core::Observer;

use crate::Observe;

/// Tells an observer how calls ended: see the [crate page](crate).
#[derive(Clone, Default)]
pub struct ObserveLayer {
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) scope: Scope,
}

/// What a call is.
#[derive(Clone, Debug, Default)]
pub(crate) enum Scope {
    /// One call of a deployment.
    #[default]
    Attempt,
    /// A whole request, whose id is in this header.
    Request { id: Option<HeaderName> },
}

impl ObserveLayer {
    /// Tells nobody, and costs next to nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes calls for attempts. Stands inside the balance, once for each deployment.
    pub fn attempts(observer: impl Observer + 'static) -> Self {
        Self {
            observer: Some(Arc::new(observer)),
            scope: Scope::Attempt,
        }
    }

    /// Takes calls for whole requests. Stands outside of everything that may send a request again, and inside of what makes
    /// responses of failures.
    pub fn requests(observer: impl Observer + 'static) -> Self {
        Self {
            observer: Some(Arc::new(observer)),
            scope: Scope::Request { id: None },
        }
    }

    /// Names the header that holds the id of a request.
    #[must_use]
    pub fn id_header(mut self, name: HeaderName) -> Self {
        if let Scope::Request { id } = &mut self.scope {
            *id = Some(name);
        }
        self
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe::new(inner, self.clone())
    }
}

impl fmt::Debug for ObserveLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveLayer")
            .field("observed", &self.observer.is_some())
            .field("scope", &self.scope)
            .finish()
    }
}

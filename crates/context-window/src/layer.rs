use tower_layer::Layer;

use crate::{ContextWindowFilter, Window};

/// Refuses prompts that do not fit: see the [crate page](crate).
#[derive(Clone, Debug)]
pub struct ContextWindowFilterLayer {
    window: Window,
}

impl ContextWindowFilterLayer {
    /// Admits only prompts that fit the window; all, if it is not known.
    #[must_use]
    pub const fn new(window: Window) -> Self {
        Self { window }
    }
}

impl<S> Layer<S> for ContextWindowFilterLayer {
    type Service = ContextWindowFilter<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ContextWindowFilter::new(inner, self.window.clone())
    }
}

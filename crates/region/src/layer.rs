use std::sync::Arc;

use http::HeaderName;
use tower_layer::Layer;
use ziggurat_core::AllowedRegions;

use crate::{
    RegionFilter,
    learned::Learned,
    name::Name,
    rules::{Place, Rules},
};

/// The header in which Azure names the region that answered.
const X_MS_REGION: HeaderName = HeaderName::from_static("x-ms-region");

/// Refuses requests that must not be served in this region: see the [crate page](crate).
#[derive(Clone, Debug)]
pub struct RegionFilterLayer {
    rules: Arc<Rules>,
}

impl RegionFilterLayer {
    /// The service is in this region; in one of these, if there are several: then each has to be allowed. Without any
    /// it is the same as [`Self::unknown`].
    pub fn new(regions: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let names = regions.into_iter().map(|name| Name::new(name.as_ref()));
        Self::at(Place::Known(names.collect()))
    }

    /// Where the service is is not known: requests that are bound to a region are refused.
    #[must_use]
    pub fn unknown() -> Self {
        Self::at(Place::Known(Arc::default()))
    }

    /// The service is where its last response said, in `x-ms-region`, as Azure does. Until the first one it is as
    /// [`Self::unknown`].
    #[must_use]
    pub fn learned() -> Self {
        Self::learn_from_header(X_MS_REGION)
    }

    /// The same with another header. It is also found under the name that a leaf gives it, `llm_provider-…`.
    #[must_use]
    pub fn learn_from_header(header: HeaderName) -> Self {
        Self::at(Place::Learned(Arc::new(Learned::new(header))))
    }

    /// Returns a filter without rules that shares what this one learns, and has learned; `None` if it does not learn. For
    /// a stack that is built anew around the same service.
    #[must_use]
    pub fn learns_with(&self) -> Option<Self> {
        self.rules.learned()?;
        Some(Self::at(self.rules.place.clone()))
    }

    /// Sets what is allowed whatever the request says. A request can narrow it, never widen it.
    #[must_use]
    pub fn allowed(mut self, regions: AllowedRegions) -> Self {
        self.edit().allowed = Some(regions);
        self
    }

    /// Counts the United Kingdom, Switzerland and Norway as `eu`. Off by default: they are not in the European Union,
    /// even where a provider calls them so (`eu-gb`, and London's `eu-west-2`).
    #[must_use]
    pub fn wider_europe(mut self, counts: bool) -> Self {
        self.edit().wider_europe = counts;
        self
    }

    fn at(place: Place) -> Self {
        Self {
            rules: Arc::new(Rules::new(place)),
        }
    }

    fn edit(&mut self) -> &mut Rules {
        Arc::make_mut(&mut self.rules)
    }
}

impl<S> Layer<S> for RegionFilterLayer {
    type Service = RegionFilter<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RegionFilter::new(inner, Arc::clone(&self.rules))
    }
}

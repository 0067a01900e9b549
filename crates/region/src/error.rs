//! The error of a request that must not be served here.

use std::fmt;

use ziggurat_core::AllowedRegions;

/// The service is in a region that the request does not allow: the source of a [`Failure`](ziggurat_core::Failure) of
/// the kind [`Region`](ziggurat_core::FailureKind::Region).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAllowed {
    regions: Box<[Box<str>]>,
    allowed: AllowedRegions,
}

impl NotAllowed {
    pub(crate) const fn new(regions: Box<[Box<str>]>, allowed: AllowedRegions) -> Self {
        Self { regions, allowed }
    }

    /// Returns the regions that the service is in; none if that is not known.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.regions.iter().map(|name| &**name)
    }

    /// Returns what is allowed, by the operator and by the request.
    #[must_use]
    pub const fn allowed(&self) -> &AllowedRegions {
        &self.allowed
    }
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.regions {
            [] => f.write_str("the region of the deployment is not known")?,
            regions => write!(f, "the deployment is in {}", regions.join(" or "))?,
        }
        write!(f, ", allowed is {}", self.allowed)
    }
}

impl std::error::Error for NotAllowed {}

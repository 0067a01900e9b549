use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use http::{HeaderMap, HeaderName};
use ziggurat_core::DeploymentId;

use crate::name::Name;

/// The region that an upstream named last.
#[derive(Debug)]
pub(crate) struct Learned {
    /// The name of the header as the upstream sends it, and as a leaf passes it on.
    names: [Option<HeaderName>; 2],
    found: RwLock<Option<Name>>,
}

/// What leaves put before the names of an upstream's headers.
const PREFIX: &str = "llm_provider-";

/// No provider has longer names; what is longer is none.
const LONGEST: usize = 64;

impl Learned {
    pub(crate) fn new(header: HeaderName) -> Self {
        let prefixed = HeaderName::try_from([PREFIX, header.as_str()].concat()).ok();
        Self {
            names: [Some(header), prefixed],
            found: RwLock::default(),
        }
    }

    pub(crate) fn get(&self) -> Option<Name> {
        self.read().clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Name>> {
        self.found.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the region from a response, if that names one.
    pub(crate) fn learn(&self, headers: &HeaderMap, deployment: Option<&DeploymentId>) {
        let Some(value) = self
            .names
            .iter()
            .flatten()
            .find_map(|name| headers.get(name))
        else {
            return;
        };
        // One that cannot be read is another than the one known so far, so that this one must not be relied on.
        let found = value
            .to_str()
            .ok()
            .filter(|text| text.len() <= LONGEST && !text.trim().is_empty())
            .map(Name::new);
        if *self.read() == found {
            return;
        }
        let region = found.as_ref().map(|name| name.as_str().to_owned());
        let before = std::mem::replace(
            &mut *self.found.write().unwrap_or_else(PoisonError::into_inner),
            found,
        );
        tracing::info!(
            target: "ziggurat::region",
            deployment = deployment.map(DeploymentId::as_str),
            region,
            before = before.as_ref().map(Name::as_str),
            "the upstream named its region"
        );
    }
}

//! In which regions requests may be answered.

use serde_yaml::Value;

use super::{either, flag};
use crate::{
    scalar::{self, Read},
    section::Section,
};

pub(crate) const ALLOWED_REGION: &str = "allowed_model_region";

/// The settings of the region filter.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RegionSettings {
    /// The regions that all requests are bound to (`allowed_model_region` of either section, one or
    /// a list); empty: all are allowed.
    pub allowed_model_region: Vec<String>,
    /// Whether the region of an Azure deployment may be taken from its answers
    /// (`litellm_settings.enable_preview`).
    pub enable_preview: bool,
    /// Whether places in the United Kingdom, Switzerland and Norway count as `eu`
    /// (`router_settings.wider_europe`).
    pub wider_europe: bool,
}

// === impl RegionSettings ===

impl RegionSettings {
    pub(super) fn read(router: &mut Section<'_>, litellm: &mut Section<'_>) -> Self {
        check_unset(router);
        check_unset(litellm);
        let allowed = either(router, litellm, ALLOWED_REGION, regions);
        Self {
            allowed_model_region: allowed.unwrap_or_default(),
            enable_preview: flag(litellm, "enable_preview"),
            wider_europe: flag(router, "wider_europe"),
        }
    }
}

/// Regions; a list without any would allow either nothing or everything.
fn regions(value: &Value) -> Read<Vec<String>> {
    if value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Err("expected at least one region".to_owned());
    }
    match scalar::texts(value)? {
        Some(regions) if regions.is_empty() => Err("expected at least one region".to_owned()),
        regions => Ok(regions),
    }
}

/// A restriction that was meant to be set and is not must not let everything pass.
fn check_unset(section: &mut Section<'_>) {
    let mut unset = section.document.unset.iter();
    if let Some(unset) = unset.find(|unset| unset.is_at(&section.path, ALLOWED_REGION)) {
        section.needs(&unset.path, unset.message());
    }
}

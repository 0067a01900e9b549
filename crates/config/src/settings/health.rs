//! Background health checks.

use std::time::Duration;

use super::flag;
use crate::{scalar, section::Section};

/// Time between two checks if nothing sets one: LiteLLM's own default.
const INTERVAL: Duration = Duration::from_secs(300);

/// What `general_settings` say about background health checks. Read and not active yet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HealthSettings {
    /// Whether deployments are checked in the background.
    pub background_health_checks: bool,
    /// Time between two checks; 300 s by default.
    pub health_check_interval: Duration,
    /// How long a verdict holds; twice the interval by default.
    pub health_check_staleness_threshold: Duration,
    /// Whether 429 and 408 are no verdict.
    pub health_check_ignore_transient_errors: bool,
    /// Whether deployments that failed their check are passed over. Also in `router_settings`,
    /// which wins.
    pub enable_health_check_routing: bool,
}

// === impl HealthSettings ===

impl HealthSettings {
    pub(super) fn read(router: &mut Section<'_>, general: &mut Section<'_>) -> Self {
        let interval = general.read("health_check_interval", scalar::seconds);
        let interval = interval.unwrap_or(INTERVAL);
        let staleness = general.read("health_check_staleness_threshold", scalar::seconds);
        let routing = "enable_health_check_routing";
        let (first, second) = (
            router.read(routing, scalar::flag),
            general.read(routing, scalar::flag),
        );
        Self {
            background_health_checks: flag(general, "background_health_checks"),
            health_check_interval: interval,
            health_check_staleness_threshold: staleness
                .unwrap_or_else(|| interval.saturating_mul(2)),
            health_check_ignore_transient_errors: flag(
                general,
                "health_check_ignore_transient_errors",
            ),
            enable_health_check_routing: first.or(second).unwrap_or(false),
        }
    }
}

//! Background health checks.

use std::time::Duration;

use super::{flag, outdone};
use crate::{scalar, section::Section};

/// Time between two checks if nothing sets one: LiteLLM's own default.
const INTERVAL: Duration = Duration::from_secs(300);

/// What `general_settings` say about background health checks.
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
    /// which wins. Without [`background_health_checks`](Self::background_health_checks) it has no
    /// effect.
    pub enable_health_check_routing: bool,
}

// === impl HealthSettings ===

impl HealthSettings {
    pub(super) fn read(router: &mut Section<'_>, general: &mut Section<'_>) -> Self {
        const ROUTING: &str = "enable_health_check_routing";
        let interval = general.read("health_check_interval", scalar::seconds);
        let interval = interval.unwrap_or(INTERVAL);
        let staleness = general.read("health_check_staleness_threshold", scalar::seconds);
        let staleness = staleness.unwrap_or_else(|| interval.saturating_mul(2));
        let checks = flag(general, "background_health_checks");
        let in_router = router.read(ROUTING, scalar::flag);
        let in_general = general.read(ROUTING, scalar::flag);
        if in_router.is_some() && in_general.is_some() {
            outdone(router, general, ROUTING);
        }
        let routing = in_router.or(in_general).unwrap_or(false);
        if routing && !checks {
            const NEEDS: &str = "has no effect without `general_settings.background_health_checks`";
            match in_router {
                Some(_) => router.warn(&router.path.key(ROUTING), NEEDS),
                None => general.warn(&general.path.key(ROUTING), NEEDS),
            }
        }
        if staleness < interval {
            let path = general.path.key("health_check_staleness_threshold");
            general.warn(
                &path,
                "is shorter than `health_check_interval`: verdicts do not hold until the next check",
            );
        }
        Self {
            background_health_checks: checks,
            health_check_interval: interval,
            health_check_staleness_threshold: staleness,
            health_check_ignore_transient_errors: flag(
                general,
                "health_check_ignore_transient_errors",
            ),
            enable_health_check_routing: routing,
        }
    }
}

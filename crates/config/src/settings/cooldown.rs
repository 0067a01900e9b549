//! When deployments are left alone, and for how long.

use std::time::Duration;

use super::{AllowedFailsPolicy, either, flag, variable};
use crate::{scalar, section::Section};

/// Length of a cooldown if nothing sets one: LiteLLM's own default.
const COOLDOWN_TIME: Duration = Duration::from_secs(5);
/// What `allowed_fails` counts within: the minute of LiteLLM's documentation.
const ALLOWED_FAILS_WINDOW: Duration = Duration::from_secs(60);
/// Share of failures that is still borne: LiteLLM's own default.
const FAILURE_SHARE: f64 = 0.5;
/// Requests before the share says anything: LiteLLM's own default.
const MIN_REQUESTS: u32 = 5;
/// Longest wait that an upstream may ask for, our own: five of the minutes that providers count
/// limits in.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The settings of cooldowns. A duration of 0 is not set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CooldownSettings {
    /// Whether no deployment ever cools down (`router_settings`).
    pub disable_cooldowns: bool,
    /// `cooldown_time` of either section, as far as it is set; see
    /// [`CooldownSettings::time`].
    pub cooldown_time: Option<Duration>,
    default_time: Duration,
    /// `allowed_fails` of either section: more failures than these within
    /// [the window](Self::allowed_fails_window) cool a deployment down.
    pub allowed_fails: Option<u32>,
    /// `allowed_fails_window` of either section; 60 s by default.
    pub allowed_fails_window: Duration,
    /// `router_settings.allowed_fails_policy`.
    pub allowed_fails_policy: Option<AllowedFailsPolicy>,
    /// `router_settings.cooldown_failure_share`, or `DEFAULT_FAILURE_THRESHOLD_PERCENT` in the
    /// environment: a larger share of failures, from 0 to 1, cools a deployment down; 0.5 by
    /// default.
    pub failure_share: f64,
    /// `router_settings.cooldown_min_requests`, or `DEFAULT_FAILURE_THRESHOLD_MINIMUM_REQUESTS` in
    /// the environment: requests before the share says anything; 5 by default.
    pub min_requests: u32,
    /// `router_settings.cooldown_max_retry_after`: a longer `Retry-After` is cut to it; 300 s by
    /// default.
    pub max_retry_after: Duration,
    /// `router_settings.cooldown_max_time`: the time doubles up to it at each failed trial; `None`
    /// if it does not grow.
    pub max_time: Option<Duration>,
    /// `router_settings.cooldown_slow_start`: how long a deployment takes to its full share after a
    /// cooldown; zero by default: at once.
    pub slow_start: Duration,
    /// `router_settings.cooldown_max_ejected_share`: the largest share of a group, from 0 to 1,
    /// that cools down at a time; 1 by default.
    pub max_ejected: f64,
    /// `router_settings.cooldown_last_resort`: whether a group that cools down as a whole is asked
    /// nevertheless.
    pub last_resort: bool,
    /// `router_settings.cooldown_wait`: how long a request waits for the first deployment to come
    /// back; zero by default: not at all.
    pub wait: Duration,
}

// === impl CooldownSettings ===

impl CooldownSettings {
    pub(super) fn read(router: &mut Section<'_>, litellm: &mut Section<'_>) -> Self {
        let seconds = scalar::seconds;
        let share = share_of_failures(router);
        let min_requests = min_requests(router);
        let default_time = variable(router, "DEFAULT_COOLDOWN_TIME_SECONDS", seconds);
        let window = either(router, litellm, "allowed_fails_window", seconds);
        let cooldown_time = either(router, litellm, "cooldown_time", seconds);
        let default_time = default_time.unwrap_or(COOLDOWN_TIME);
        let max_time = router.read("cooldown_max_time", seconds);
        let time = cooldown_time.unwrap_or(default_time);
        if max_time.is_some_and(|max| max < time) {
            let path = router.path.key("cooldown_max_time");
            let time = time.as_secs_f64();
            let message = format!("has no effect: a cooldown lasts {time} s from the first");
            router.warn(&path, message);
        }
        let max_ejected = router.read("cooldown_max_ejected_share", scalar::share);
        Self {
            disable_cooldowns: flag(router, "disable_cooldowns"),
            cooldown_time,
            default_time,
            allowed_fails: either(router, litellm, "allowed_fails", scalar::count),
            allowed_fails_window: window.unwrap_or(ALLOWED_FAILS_WINDOW),
            allowed_fails_policy: AllowedFailsPolicy::read(router),
            failure_share: share.unwrap_or(FAILURE_SHARE),
            min_requests: min_requests.unwrap_or(MIN_REQUESTS),
            max_retry_after: router
                .read("cooldown_max_retry_after", seconds)
                .unwrap_or(MAX_RETRY_AFTER),
            max_time,
            slow_start: router
                .read("cooldown_slow_start", seconds)
                .unwrap_or_default(),
            max_ejected: max_ejected.unwrap_or(1.0),
            last_resort: flag(router, "cooldown_last_resort"),
            wait: router.read("cooldown_wait", seconds).unwrap_or_default(),
        }
    }

    /// Returns how long a deployment cools down where neither it nor the upstream says anything:
    /// `cooldown_time`, else `DEFAULT_COOLDOWN_TIME_SECONDS` in the environment, else 5 s.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.cooldown_time.unwrap_or(self.default_time)
    }
}

fn share_of_failures(router: &mut Section<'_>) -> Option<f64> {
    let in_file = router.read("cooldown_failure_share", scalar::share);
    in_file.or_else(|| variable(router, "DEFAULT_FAILURE_THRESHOLD_PERCENT", scalar::share))
}

fn min_requests(router: &mut Section<'_>) -> Option<u32> {
    let in_file = router.read("cooldown_min_requests", scalar::count);
    let name = "DEFAULT_FAILURE_THRESHOLD_MINIMUM_REQUESTS";
    in_file.or_else(|| variable(router, name, scalar::count))
}

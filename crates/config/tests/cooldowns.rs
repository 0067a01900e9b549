//! When deployments are left alone, and for how long.

mod common;

use std::time::Duration;

use common::{ONE, but_overruled, config, errors, load, refusal, shown, with_settings};
use ziggurat_config::{CooldownSettings, Finding, Severity};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn cooldown(settings: &str) -> CooldownSettings {
    let config = with_settings(settings);
    assert_eq!(but_overruled(&config), [] as [&Finding; 0]);
    config.settings.cooldown
}

#[test]
fn defaults() {
    let settings = cooldown("");
    assert_eq!((settings.cooldown_time, settings.time()), (None, secs(5)));
    assert_eq!(
        (settings.allowed_fails, settings.allowed_fails_window),
        (None, secs(60))
    );
    assert_eq!(settings.allowed_fails_policy, None);
    assert_eq!((settings.failure_share, settings.min_requests), (0.5, 5));
    assert_eq!(
        (settings.max_retry_after, settings.max_time),
        (secs(300), None)
    );
    assert_eq!((settings.slow_start, settings.wait), (secs(0), secs(0)));
    assert_eq!(settings.max_ejected, 1.0);
    assert!(!settings.disable_cooldowns && !settings.last_resort);
}

#[test]
fn r29_both_places_and_the_router_wins() {
    let litellm =
        "litellm_settings: {allowed_fails: 3, cooldown_time: 6, allowed_fails_window: 30}\n";
    let settings = cooldown(litellm);
    assert_eq!(
        settings.allowed_fails,
        Some(3),
        "R29f: an explicit 3 is set"
    );
    assert_eq!(
        (settings.time(), settings.allowed_fails_window),
        (secs(6), secs(30))
    );
    let router = "router_settings: {allowed_fails: 0, cooldown_time: 7, allowed_fails_window: 10}";
    let settings = cooldown(&format!("{litellm}{router}"));
    assert_eq!(
        (settings.allowed_fails, settings.time()),
        (Some(0), secs(7))
    );
    assert_eq!(settings.allowed_fails_window, secs(10));
    // R29g: 0 and nothing are not set.
    for unset in ["0", "~", "''"] {
        let settings = cooldown(&format!("router_settings: {{cooldown_time: {unset}}}"));
        assert_eq!((settings.cooldown_time, settings.time()), (None, secs(5)));
    }
}

#[test]
fn the_other_settings_of_the_router() {
    let settings = cooldown(
        "router_settings: {disable_cooldowns: true, cooldown_failure_share: 0.25,
  cooldown_min_requests: 9, cooldown_max_retry_after: 60, cooldown_max_time: 90,
  cooldown_slow_start: 15, cooldown_max_ejected_share: '0.5', cooldown_last_resort: yes,
  cooldown_wait: 0.5}",
    );
    assert!(settings.disable_cooldowns && settings.last_resort);
    assert_eq!((settings.failure_share, settings.min_requests), (0.25, 9));
    assert_eq!(
        (settings.max_retry_after, settings.max_time),
        (secs(60), Some(secs(90)))
    );
    assert_eq!(
        (settings.slow_start, settings.wait),
        (secs(15), Duration::from_millis(500))
    );
    assert_eq!(settings.max_ejected, 0.5);
}

#[test]
fn r29_the_environment_comes_before_the_default() {
    let env = [
        ("DEFAULT_COOLDOWN_TIME_SECONDS", "11"),
        ("DEFAULT_FAILURE_THRESHOLD_PERCENT", "0.75"),
        ("DEFAULT_FAILURE_THRESHOLD_MINIMUM_REQUESTS", "12"),
    ];
    let settings = load(ONE, &env).unwrap().settings.cooldown;
    assert_eq!((settings.cooldown_time, settings.time()), (None, secs(11)));
    assert_eq!((settings.failure_share, settings.min_requests), (0.75, 12));
    let text = format!(
        "{ONE}router_settings: {{cooldown_time: 1, cooldown_failure_share: 0, \
         cooldown_min_requests: 2}}"
    );
    let settings = load(&text, &env).unwrap().settings.cooldown;
    assert_eq!(settings.time(), secs(1));
    assert_eq!((settings.failure_share, settings.min_requests), (0.0, 2));
    let env = [
        ("DEFAULT_COOLDOWN_TIME_SECONDS", "-1"),
        ("DEFAULT_FAILURE_THRESHOLD_PERCENT", "50"),
        ("DEFAULT_FAILURE_THRESHOLD_MINIMUM_REQUESTS", "few"),
    ];
    let errors = load(ONE, &env).unwrap_err().errors;
    let errors = errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(errors.len(), 3);
    for expected in [
        "DEFAULT_COOLDOWN_TIME_SECONDS: environment variable: must not be negative",
        "DEFAULT_FAILURE_THRESHOLD_PERCENT: environment variable: must be between 0 and 1",
        "DEFAULT_FAILURE_THRESHOLD_MINIMUM_REQUESTS: environment variable: expected a number, \
         found text",
    ] {
        assert!(errors.iter().any(|error| error == expected), "{errors:?}");
    }
}

#[test]
fn r124_a_policy_counts_by_class() {
    let settings = cooldown(
        "router_settings: {allowed_fails_policy: {BadRequestErrorAllowedFails: 1,
  AuthenticationErrorAllowedFails: 2, TimeoutErrorAllowedFails: 3, RateLimitErrorAllowedFails: 4,
  ContentPolicyViolationErrorAllowedFails: 5, InternalServerErrorAllowedFails: 6,
  ServiceUnavailableErrorAllowedFails: 7, BadGatewayErrorAllowedFails: 8,
  NotFoundErrorAllowedFails: 0}}",
    );
    let policy = settings.allowed_fails_policy.unwrap();
    assert_eq!(
        [
            policy.bad_request,
            policy.authentication,
            policy.timeout,
            policy.rate_limit,
            policy.content_policy,
            policy.internal_server,
            policy.service_unavailable,
            policy.bad_gateway,
            policy.not_found,
        ],
        [1, 2, 3, 4, 5, 6, 7, 8, 0].map(Some)
    );
    let config =
        with_settings("router_settings: {allowed_fails_policy: {RateLimitErrorAllowedFail: 4}}");
    assert_eq!(config.settings.cooldown.allowed_fails_policy, None);
    assert_eq!(
        shown(&config.findings, Severity::Warning),
        [
            "c.yaml:2:42: router_settings.allowed_fails_policy.RateLimitErrorAllowedFail: unknown \
             setting; did you mean `RateLimitErrorAllowedFails`?"
        ]
    );
}

#[test]
fn wrong_values_stand_where_they_are() {
    let wrong = "  disable_cooldowns: never
  cooldown_time: -1
  allowed_fails: some
  allowed_fails_window: [1]
  allowed_fails_policy: 3
  cooldown_failure_share: 1.1
  cooldown_min_requests: 1.5
  cooldown_max_retry_after: -1
  cooldown_max_time: x
  cooldown_slow_start: x
  cooldown_max_ejected_share: 50
  cooldown_last_resort: 1
  cooldown_wait: x
";
    let mut found = errors(&format!("{ONE}router_settings:\n{wrong}"));
    let line = |error: &String| error.split(':').nth(1).unwrap().parse::<usize>().unwrap();
    found.sort_by_key(line);
    assert_eq!(found.len(), wrong.lines().count(), "{found:?}");
    for (n, (error, written)) in found.iter().zip(wrong.lines()).enumerate() {
        let (key, _) = written.trim().split_once(':').unwrap();
        let place = format!(
            "c.yaml:{}:{}: router_settings.{key}: ",
            n + 3,
            key.len() + 5
        );
        assert!(error.starts_with(&place), "{error}: {place}");
    }
    // What no cooldown is told here is a slip.
    let config = with_settings("router_settings: {cooldown_tine: 5}");
    let warnings = shown(&config.findings, Severity::Warning);
    assert!(
        warnings[0].ends_with("did you mean `cooldown_time`?"),
        "{warnings:?}"
    );
}

#[test]
fn r119_the_time_of_a_deployment() {
    let of = |params: &str, settings: &str| {
        let list = ONE.replace("gpt-4o", &format!("gpt-4o{params}"));
        let config = config(&format!("{list}{settings}"));
        config.settings.cooldown_time_for(&config.deployments[0])
    };
    let router = "router_settings: {cooldown_time: 8}";
    assert_eq!(of("", ""), secs(5));
    assert_eq!(of("", router), secs(8));
    assert_eq!(of(", cooldown_time: 2", router), secs(2));
    assert_eq!(of(", cooldown_time: 0", router), secs(0), "R17: never");
    let disabled = "router_settings: {disable_cooldowns: true}";
    assert_eq!(of(", cooldown_time: 2", disabled), secs(0), "R110: never");
}

#[test]
fn r122_r123_what_a_deployment_allows() {
    let config = config(
        "model_list:
- model_name: a
  litellm_params: {model: o1, allowed_fails: 1, allowed_fails_policy: {TimeoutErrorAllowedFails: 1}}
  model_info: {allowed_fails: 2, allowed_fails_policy: {NotFoundErrorAllowedFails: 2}}
- model_name: a
  litellm_params: {model: o1, allowed_fails: 0, allowed_fails_policy: {TimeoutErrorAllowedFails: 1}}
- {model_name: a, litellm_params: {model: o1}}
",
    );
    let found = &config.deployments;
    let fails = found.iter().map(|one| one.allowed_fails);
    assert_eq!(fails.collect::<Vec<_>>(), [Some(2), Some(0), None]);
    let policy = found[0].allowed_fails_policy.as_ref().unwrap();
    assert_eq!((policy.not_found, policy.timeout), (Some(2), None), "whole");
    let policy = found[1].allowed_fails_policy.as_ref().unwrap();
    assert_eq!(policy.timeout, Some(1));
    assert_eq!(found[2].allowed_fails_policy, None);
    assert_eq!(but_overruled(&config), [] as [&Finding; 0]);
    let reason = refusal("model: o1, allowed_fails_policy: {TimeoutErrorAllowedFails: x}");
    assert_eq!(
        reason,
        "c.yaml:3:80: model_list[0].litellm_params.allowed_fails_policy.TimeoutErrorAllowedFails: \
         expected a number, found text"
    );
}

#[test]
fn a_longest_time_below_the_first_has_no_effect() {
    let of = |settings: &str| shown(&with_settings(settings).findings, Severity::Warning);
    assert_eq!(
        of("router_settings: {cooldown_time: 30, cooldown_max_time: 20}"),
        [
            "c.yaml:2:38: router_settings.cooldown_max_time: has no effect: a cooldown lasts 30 s \
             from the first"
        ]
    );
    assert_eq!(
        of("router_settings: {cooldown_max_time: 4}").len(),
        1,
        "5 s is the default"
    );
    assert!(of("router_settings: {cooldown_time: 30, cooldown_max_time: 30}").is_empty());
}

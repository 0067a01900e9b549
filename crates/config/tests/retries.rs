//! Retry policies, the budget of retries, and the limits of time.

mod common;

use std::time::Duration;

use common::{ONE, but_overruled, config, errors, load, shown, with_settings};
use ziggurat_config::{Finding, RetryBudget, Severity};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn r59_r60_a_policy_counts_by_class() {
    let settings = with_settings("").settings;
    assert_eq!(
        (&settings.retry_policy, settings.retry_policy_for("a")),
        (&None, None)
    );
    assert_eq!(settings.model_group_retry_policy, []);
    let config = with_settings(
        "router_settings:
  retry_policy: {BadRequestErrorRetries: 1, AuthenticationErrorRetries: '2',
                 TimeoutErrorRetries: 3, RateLimitErrorRetries: 4,
                 ContentPolicyViolationErrorRetries: 5, InternalServerErrorRetries: 6,
                 ServiceUnavailableErrorRetries: 7, NotFoundErrorRetries: 0}
  model_group_retry_policy: {a: {DefaultRetries: 9}}
",
    );
    let policy = config.settings.retry_policy_for("other").unwrap();
    assert_eq!(Some(policy), config.settings.retry_policy.as_ref());
    assert_eq!(
        [
            policy.bad_request,
            policy.authentication,
            policy.timeout,
            policy.rate_limit,
            policy.content_policy,
            policy.internal_server,
            policy.service_unavailable,
            policy.not_found,
            policy.default_retries,
        ],
        [
            Some(1),
            Some(2),
            Some(3),
            Some(4),
            Some(5),
            Some(6),
            Some(7),
            Some(0),
            None
        ]
    );
    let own = config.settings.retry_policy_for("a").unwrap();
    assert_eq!((own.default_retries, own.bad_request), (Some(9), None));
    assert_eq!(config.findings, []);
}

#[test]
fn r59_a_group_replaces_the_policy_even_by_an_empty_one() {
    let config = with_settings(
        "router_settings: {retry_policy: {DefaultRetries: 3}, model_group_retry_policy: {a: {}}}",
    );
    let own = config.settings.retry_policy_for("a").unwrap();
    assert_eq!(own.default_retries, None);
    // A policy for all groups that says nothing is none.
    let config = with_settings("router_settings: {retry_policy: {}, model_group_retry_policy: ~}");
    assert_eq!(config.settings.retry_policy_for("a"), None);
}

#[test]
fn r60_mistakes_in_policies() {
    let config = with_settings(
        "router_settings:
  retry_policy: {RateLimitErorRetries: 1, DefaultRetries: 1}
  model_group_retry_policy: {b: {NoSuchThing: 1}}
",
    );
    assert_eq!(
        shown(&config.findings, Severity::Warning),
        [
            "c.yaml:3:18: router_settings.retry_policy.RateLimitErorRetries: unknown setting; \
             did you mean `RateLimitErrorRetries`?",
            "c.yaml:4:34: router_settings.model_group_retry_policy.b.NoSuchThing: unknown setting",
            "c.yaml:4:30: router_settings.model_group_retry_policy.b: no usable deployment is \
             named `b`",
        ]
    );
    let text = format!(
        "{ONE}router_settings:
  retry_policy: {{TimeoutErrorRetries: -1, DefaultRetries: many}}
  model_group_retry_policy: {{a: {{DefaultRetries: 1.5}}, b: 3}}
"
    );
    let path = "router_settings.model_group_retry_policy";
    assert_eq!(
        errors(&text),
        [
            "c.yaml:3:39: router_settings.retry_policy.TimeoutErrorRetries: must not be negative"
                .to_owned(),
            "c.yaml:3:59: router_settings.retry_policy.DefaultRetries: expected a number, found \
             text"
                .to_owned(),
            format!(
                "c.yaml:4:50: {path}.a.DefaultRetries: expected a whole number up to 4294967295"
            ),
            format!("c.yaml:4:59: {path}.b: expected a mapping, found a number"),
        ]
    );
}

#[test]
fn the_budget_is_a_ratio_or_a_mapping() {
    let of = |written: &str| {
        let settings = format!("router_settings: {{retry_budget: {written}}}");
        with_settings(&settings).settings.retry_budget
    };
    let parts = |budget: RetryBudget| (budget.ratio, budget.ttl, budget.min_per_second);
    assert_eq!(with_settings("").settings.retry_budget, None);
    assert_eq!(of("~"), None);
    assert_eq!(of("{}").map(parts), Some((0.2, secs(10), 10)));
    assert_eq!(of("0.5").map(parts), Some((0.5, secs(10), 10)));
    assert_eq!(of("0").map(parts), Some((0.0, secs(10), 10)));
    assert_eq!(
        of("{ratio: 2, ttl: 60, min_per_second: 0}").map(parts),
        Some((2.0, secs(60), 0))
    );
    for (bad, column, message) in [
        ("yes", 33, "expected a number, found text"),
        (
            "true",
            33,
            "expected a number, or a mapping, found a boolean",
        ),
        ("[1]", 33, "expected a number, or a mapping, found a list"),
        ("1001", 33, "must be between 0 and 1000"),
        ("-1", 33, "must not be negative"),
    ] {
        let text = format!("{ONE}router_settings: {{retry_budget: {bad}}}");
        let expected = format!("c.yaml:2:{column}: router_settings.retry_budget: {message}");
        assert_eq!(errors(&text), [expected]);
    }
    for (bad, message) in [
        ("ttl: 0.5", "must be between 1 and 60 seconds"),
        ("ttl: 60.5", "must be between 1 and 60 seconds"),
        (
            "min_per_second: 2147483647",
            "expected a whole number below 2147483647",
        ),
        ("ratio: -0.1", "must not be negative"),
    ] {
        let text = format!("{ONE}router_settings: {{retry_budget: {{{bad}}}}}");
        let found = errors(&text);
        assert!(found.len() == 1 && found[0].ends_with(message), "{found:?}");
    }
}

#[test]
fn r71_weighted_failover() {
    assert!(!with_settings("").settings.enable_weighted_failover);
    let config = with_settings("router_settings: {enable_weighted_failover: on}");
    assert!(config.settings.enable_weighted_failover);
    assert_eq!(config.findings, []);
    let other = "router_settings: {enable_weighted_failover: on, routing_strategy: least-busy}";
    assert_eq!(
        shown(&with_settings(other).findings, Severity::Warning),
        [
            "c.yaml:2:19: router_settings.enable_weighted_failover: holds for least-busy too; in \
             LiteLLM only for simple-shuffle"
        ]
    );
    assert_eq!(config.findings, []);
}

#[test]
fn r108_the_limit_of_a_whole_request() {
    assert_eq!(with_settings("").settings.total_timeout, None);
    let config = with_settings("router_settings: {total_timeout: 1.5}");
    assert_eq!(
        config.settings.total_timeout,
        Some(Duration::from_millis(1500))
    );
    assert_eq!(config.findings, []);
    assert_eq!(
        errors(&format!("{ONE}router_settings: {{total_timeout: soon}}")),
        ["c.yaml:2:34: router_settings.total_timeout: expected a number, found text"]
    );
    // Only the router knows it.
    let config = with_settings("litellm_settings: {total_timeout: 1}");
    assert_eq!(
        (config.settings.total_timeout, config.findings.len()),
        (None, 1)
    );
}

#[test]
fn r101_gaps_and_totals_of_streams() {
    let of = |params: &str, settings: &str| {
        let list = ONE.replace("gpt-4o", &format!("gpt-4o{params}"));
        let config = config(&format!("{list}{settings}"));
        assert_eq!(but_overruled(&config), [] as [&Finding; 0]);
        let (settings, one) = (&config.settings, &config.deployments[0]);
        assert_eq!(one.defaults.len(), 0, "not sent");
        (
            settings.stream_idle_timeout_for(one),
            settings.stream_total_timeout_for(one),
        )
    };
    let litellm = "litellm_settings: {stream_idle_timeout: 1, stream_total_timeout: 2}\n";
    let router = "router_settings: {stream_idle_timeout: 3, stream_total_timeout: 4}\n";
    let both = format!("{litellm}{router}");
    assert_eq!(of("", ""), (None, None));
    assert_eq!(of("", litellm), (Some(secs(1)), Some(secs(2))));
    assert_eq!(of("", &both), (Some(secs(3)), Some(secs(4))));
    let own = ", stream_idle_timeout: '5', stream_total_timeout: 6";
    assert_eq!(of(own, &both), (Some(secs(5)), Some(secs(6))));
    assert_eq!(
        of(", stream_idle_timeout: 0", &both).0,
        Some(secs(3)),
        "0 is not set"
    );
    assert_eq!(
        errors(&format!(
            "{ONE}litellm_settings: {{stream_idle_timeout: -1}}"
        )),
        ["c.yaml:2:41: litellm_settings.stream_idle_timeout: must not be negative"]
    );
    let list = ONE.replace("gpt-4o", "gpt-4o, stream_total_timeout: x");
    let left_out = &load(&list, &[]).unwrap_err().left_out[0];
    assert!(left_out.reason().starts_with("c.yaml:1:"), "{left_out}");
    assert!(
        left_out
            .reason()
            .contains("stream_total_timeout: expected a number")
    );
}

#[test]
fn limits_of_streams_hold_in_a_fallback_too() {
    let config = with_settings(
        "router_settings: {fallbacks: [{a: [{model: a, stream_idle_timeout: 1, \
         stream_total_timeout: '2', temperature: 0, total_timeout: 3}]}]}",
    );
    let warnings = shown(&config.findings, Severity::Warning);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].ends_with("total_timeout: has no effect in a fallback"));
    let target = &config.fallbacks.general[0].1[0];
    assert_eq!(
        (target.stream_idle_timeout, target.stream_total_timeout),
        (Some(secs(1)), Some(secs(2)))
    );
    assert_eq!(
        target.parameters.keys().collect::<Vec<_>>(),
        ["temperature"]
    );
    let wrong = "router_settings: {fallbacks: [{a: [{model: a, stream_idle_timeout: x}]}]}";
    assert_eq!(
        errors(&format!("{ONE}{wrong}")),
        [
            "c.yaml:2:68: router_settings.fallbacks[0].a[0].stream_idle_timeout: \
             expected a number, found text"
        ]
    );
}

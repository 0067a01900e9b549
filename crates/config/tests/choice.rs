//! How one of several deployments is chosen: strategies, limits, tags.

mod common;

use std::time::Duration;

use common::{ONE, but_overruled, config, deployment, errors, refusal, shown, with_settings};
use ziggurat_config::{Severity, Strategy, StrategyArgs};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn r29h_defaults() {
    let settings = with_settings("").settings;
    let balance = &settings.balance;
    assert_eq!(
        balance.strategy_for("a"),
        (Strategy::SimpleShuffle, &StrategyArgs::default())
    );
    assert_eq!(balance.routing_groups.len(), 0);
    assert_eq!(balance.default_max_parallel_requests, None);
    assert_eq!(balance.max_parallel_wait, secs(0));
    assert!(!balance.enable_tag_filtering && balance.tag_filtering_match_any);
    assert!(!settings.enforce_model_rate_limits && !settings.enable_pre_call_checks);
    assert_eq!(settings.region.allowed_model_region.len(), 0);
    assert!(!settings.region.enable_preview && !settings.region.wider_europe);
    assert_eq!(settings.model_facts, None);
}

#[test]
fn strategies() {
    for (name, strategy) in [
        ("simple-shuffle", Strategy::SimpleShuffle),
        ("least-busy", Strategy::LeastBusy),
        ("usage-based-routing", Strategy::UsageBased),
        ("usage-based-routing-v2", Strategy::UsageBasedV2),
        ("latency-based-routing", Strategy::LatencyBased),
        ("peak-ewma", Strategy::PeakEwma),
        ("cost-based-routing", Strategy::CostBased),
    ] {
        let config = with_settings(&format!("router_settings: {{routing_strategy: {name}}}"));
        assert_eq!(config.settings.balance.routing_strategy, strategy);
        assert_eq!(
            (strategy.as_str(), strategy.to_string()),
            (name, name.to_owned())
        );
        assert_eq!(config.findings, []);
    }
    let config = with_settings("router_settings: {routing_strategy: provider-budget-routing}");
    assert_eq!(
        config.settings.balance.routing_strategy,
        Strategy::SimpleShuffle
    );
    let expected = "c.yaml:2:19: not active yet: router_settings.routing_strategy \
                    provider-budget-routing; simple-shuffle is used";
    assert_eq!(shown(&config.findings, Severity::NotActive), [expected]);
}

#[test]
fn r43_what_the_latency_strategy_is_told() {
    let of = |args: &str| {
        let settings = format!(
            "router_settings:\n  routing_strategy: latency-based-routing\n  \
             routing_strategy_args: {args}\n"
        );
        with_settings(&settings)
    };
    let defaults = StrategyArgs::default();
    assert_eq!(
        (defaults.ttl, defaults.max_latency_list_size),
        (secs(3600), 10)
    );
    assert_eq!(
        (defaults.lowest_latency_buffer, defaults.ttft_percentile),
        (0.0, None)
    );
    assert_eq!(of("{}").settings.balance.routing_strategy_args, defaults);
    let config = of(
        "{ttl: 10, lowest_latency_buffer: 0.5, max_latency_list_size: 3, \
                     ttft_percentile: 95}",
    );
    let args = &config.settings.balance.routing_strategy_args;
    assert_eq!((args.ttl, args.max_latency_list_size), (secs(10), 3));
    assert_eq!(
        (args.lowest_latency_buffer, args.ttft_percentile),
        (0.5, Some(0.95))
    );
    // What is written is checked, and has no effect.
    assert_eq!(
        shown(&config.findings, Severity::NotActive),
        [
            "c.yaml:4:27: not active yet: router_settings.routing_strategy_args.ttl",
            "c.yaml:4:64: not active yet: \
             router_settings.routing_strategy_args.max_latency_list_size",
            "c.yaml:4:90: not active yet: router_settings.routing_strategy_args.ttft_percentile",
        ]
    );
    assert_eq!(of("{lowest_latency_buffer: 0.5, ttl: null}").findings, []);
    let share = of("{ttft_percentile: 0.9}")
        .settings
        .balance
        .routing_strategy_args;
    assert_eq!(share.ttft_percentile, Some(0.9));
    let findings = of("{tll: 1, rpm: 2}").findings;
    let findings = findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        findings,
        [
            "c.yaml:4:27: router_settings.routing_strategy_args.tll: unknown setting; did you \
             mean `ttl`?",
            "c.yaml:4:35: not active yet: router_settings.routing_strategy_args.rpm",
        ]
    );
}

#[test]
fn no_other_strategy_is_told_anything() {
    let config = with_settings(
        "router_settings: {routing_strategy: least-busy, \
         routing_strategy_args: {lowest_latency_buffer: 5}}",
    );
    let expected = "c.yaml:2:73: not active yet: \
                    router_settings.routing_strategy_args.lowest_latency_buffer; only \
                    latency-based-routing takes it";
    assert_eq!(shown(&config.findings, Severity::NotActive), [expected]);
    let path = "c.yaml:2:42: router_settings.routing_strategy_args";
    assert_eq!(
        errors(&format!(
            "{ONE}router_settings: {{routing_strategy_args: [ttl]}}"
        )),
        [format!("{path}: expected a mapping, found a list")]
    );
    let text = format!(
        "{ONE}router_settings: {{routing_strategy: latency-based-routing, routing_strategy_args: \
         {{ttl: -1, max_latency_list_size: x, ttft_percentile: 101}}}}"
    );
    assert_eq!(errors(&text).len(), 3);
}

const TWO: &str = "model_list:
- {model_name: a, litellm_params: {model: o1}}
- {model_name: b, litellm_params: {model: o1}}
";

#[test]
fn r47b_groups_with_strategies_of_their_own() {
    let config = config(&format!(
        "{TWO}router_settings:
  routing_strategy: least-busy
  routing_groups:
  - {{group_name: fast, models: [a], routing_strategy: latency-based-routing,
     routing_strategy_args: {{lowest_latency_buffer: 0.9}}}}
  - {{group_name: other, models: b}}
  fallbacks: [{{a: [other]}}]
"
    ));
    assert_eq!(config.findings, []);
    let balance = &config.settings.balance;
    let (strategy, args) = balance.strategy_for("a");
    assert_eq!(strategy, Strategy::LatencyBased);
    assert_eq!(args.lowest_latency_buffer, 0.9);
    assert_eq!(balance.strategy_for("b").0, Strategy::LeastBusy);
    assert_eq!(balance.strategy_for("c").0, Strategy::LeastBusy);
    let groups = &balance.routing_groups;
    assert_eq!(
        (groups[0].name.as_str(), groups[1].name.as_str()),
        ("fast", "other")
    );
    assert_eq!(groups[1].models, ["b"]);
}

#[test]
fn r47b_mistakes_in_groups() {
    let config = config(&format!(
        "{TWO}router_settings: {{routing_groups: [{{group_name: g, models: [c]}}]}}"
    ));
    assert_eq!(
        shown(&config.findings, Severity::Warning),
        [
            "c.yaml:4:61: router_settings.routing_groups[0].models[0]: no usable deployment is \
             named `c`"
        ]
    );
    let text = format!(
        "{TWO}router_settings:
  routing_groups:
  - {{group_name: default, models: [a]}}
  - {{group_name: g, models: [b, a]}}
  - {{group_name: g, models: []}}
  - {{models: [b]}}
  - {{group_name: h, models: 5, routing_strategy: fastest}}
  - 7
"
    );
    let found = errors(&text);
    let path = "router_settings.routing_groups";
    let starts = [
        format!("c.yaml:6:18: {path}[0].group_name: the name is reserved"),
        format!("c.yaml:7:33: {path}[1].models[1]: the model is in another routing group"),
        format!("c.yaml:8:18: {path}[2].group_name: the name is taken"),
        format!("c.yaml:8:29: {path}[2].models: every routing group needs `models`"),
        format!("c.yaml:9:5: {path}[3].group_name: every routing group needs a `group_name`"),
        format!("c.yaml:10:29: {path}[4].models: expected text, found a number"),
        format!("c.yaml:10:50: {path}[4].routing_strategy: unknown strategy"),
        format!("c.yaml:11:5: {path}[5]: expected a mapping, found a number"),
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (error, start) in found.iter().zip(starts) {
        assert!(error.starts_with(&start), "{error}: {start}");
    }
    let text = format!("{TWO}router_settings: {{routing_groups: {{group_name: g}}}}");
    assert_eq!(
        errors(&text),
        [format!(
            "c.yaml:4:35: {path}: expected a list of groups, found a mapping"
        )]
    );
}

#[test]
fn r51_requests_at_a_time() {
    let config = with_settings(
        "router_settings: {default_max_parallel_requests: '8', max_parallel_wait: 0.25}",
    );
    let balance = &config.settings.balance;
    assert_eq!(balance.default_max_parallel_requests, Some(8));
    assert_eq!(balance.max_parallel_wait, Duration::from_millis(250));
    assert_eq!(config.findings, []);
    let zero = with_settings("router_settings: {default_max_parallel_requests: 0}");
    assert_eq!(zero.settings.balance.default_max_parallel_requests, None);
    let found = deployment("model: o1, max_parallel_requests: 3");
    assert_eq!(found.max_parallel_requests, Some(3));
    assert_eq!(
        deployment("model: o1, max_parallel_requests: 0").max_parallel_requests,
        None
    );
    assert!(refusal("model: o1, max_parallel_requests: -1").contains("must not be negative"));
    let text = format!("{ONE}router_settings: {{max_parallel_wait: x}}");
    assert_eq!(
        errors(&text),
        ["c.yaml:2:38: router_settings.max_parallel_wait: expected a number, found text"]
    );
}

#[test]
fn r158_tags() {
    let config =
        with_settings("router_settings: {enable_tag_filtering: on, tag_filtering_match_any: no}");
    let balance = &config.settings.balance;
    assert!(balance.enable_tag_filtering && !balance.tag_filtering_match_any);
    assert_eq!(config.findings, []);
    let text = format!("{ONE}router_settings: {{enable_tag_filtering: 1}}");
    assert_eq!(
        errors(&text),
        [
            "c.yaml:2:41: router_settings.enable_tag_filtering: expected true or false, found a number"
        ]
    );
}

#[test]
fn r55_checks_before_a_call() {
    let config = with_settings(
        "router_settings: {optional_pre_call_checks: [enforce_model_rate_limits, prompt_caching]}",
    );
    assert!(config.settings.enforce_model_rate_limits);
    assert_eq!(
        shown(&config.findings, Severity::NotActive),
        [
            "c.yaml:2:73: not active yet: router_settings.optional_pre_call_checks[1] \
             prompt_caching"
        ]
    );
    let text = format!(
        "{ONE}router_settings: {{optional_pre_call_checks: [enforce_model_rate_limit, magic]}}"
    );
    let path = "router_settings.optional_pre_call_checks";
    assert_eq!(
        errors(&text),
        [
            format!(
                "c.yaml:2:46: {path}[0]: unknown check; did you mean `enforce_model_rate_limits`?"
            ),
            format!("c.yaml:2:72: {path}[1]: unknown check"),
        ]
    );
}

#[test]
fn what_a_deployment_says_for_the_choice() {
    let config = config(
        "model_list:
- model_name: a
  litellm_params: {model: o1, input_cost_per_token: 1e-6, order: 2, tags: [free], weight: 3}
  model_info: {input_cost_per_token: 5, output_cost_per_token: '0.00002', order: 1}
",
    );
    let found = &config.deployments[0];
    assert_eq!(
        found.input_cost_per_token,
        Some(0.000_001),
        "litellm_params first"
    );
    assert_eq!(found.output_cost_per_token, Some(0.000_02));
    assert_eq!(
        (found.order, found.tags.as_slice()),
        (Some(2.0), &["free".to_owned()][..])
    );
    assert_eq!((found.defaults.len(), but_overruled(&config).len()), (0, 0));
    assert!(refusal("model: o1, output_cost_per_token: -1").contains("must not be negative"));
}

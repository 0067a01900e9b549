//! Rules about the settings sections.

mod common;

use std::time::Duration;

use common::{ONE, config, deployment, errors, load, shown, with_settings};
use ziggurat_config::{ErrorTypes, ForwardClientHeaders, Severity, StreamCommit, StreamRecovery};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn r29_defaults() {
    let config = with_settings("");
    let settings = &config.settings;
    assert_eq!((settings.num_retries, settings.max_fallbacks), (2, 5));
    assert_eq!(settings.request_timeout, secs(6000));
    assert_eq!((settings.timeout, settings.stream_timeout), (None, None));
    assert_eq!(
        (settings.num_retries_per_request, settings.retry_after),
        (None, secs(0))
    );
    assert!(!settings.drop_params && !settings.use_proxy_env && !settings.enable_pre_call_checks);
    assert_eq!(config.general.max_request_bytes, 50 * 1024 * 1024);
    assert_eq!(config.general.error_types, ErrorTypes::LiteLlm);
    assert_eq!(
        config.general.forward_client_headers,
        ForwardClientHeaders::Off
    );
    assert_eq!(config.general.master_key, None);
    assert_eq!(config.findings, []);
}

#[test]
fn r29_the_router_wins() {
    let litellm = "litellm_settings: {num_retries: 7, max_fallbacks: 8, stream_timeout: 9, \
                   num_retries_per_request: 4}\n";
    let settings = with_settings(litellm).settings;
    assert_eq!((settings.num_retries, settings.max_fallbacks), (7, 8));
    assert_eq!(settings.num_retries_per_request, Some(4));
    assert_eq!(settings.stream_timeout, Some(secs(9)), "R29c");
    let router = "router_settings: {num_retries: 0, max_fallbacks: 0, stream_timeout: 1, \
                  retry_after: 3}";
    let settings = with_settings(&format!("{litellm}{router}")).settings;
    assert_eq!((settings.num_retries, settings.max_fallbacks), (0, 0));
    assert_eq!(
        (settings.stream_timeout, settings.retry_after),
        (Some(secs(1)), secs(3))
    );
}

#[test]
fn r29_the_environment_comes_before_the_default() {
    let env = [
        ("REQUEST_TIMEOUT", "30"),
        ("ROUTER_MAX_FALLBACKS", "1"),
        ("AIOHTTP_TRUST_ENV", "True"),
        ("LITELLM_MASTER_KEY", "sk-m"),
    ];
    let config = load(ONE, &env).unwrap();
    assert_eq!(
        (
            config.settings.request_timeout,
            config.settings.max_fallbacks
        ),
        (secs(30), 1)
    );
    assert!(config.settings.use_proxy_env);
    assert_eq!(config.general.master_key.unwrap().expose(), "sk-m");
    let errors = load(ONE, &[("REQUEST_TIMEOUT", "soon")])
        .unwrap_err()
        .errors;
    assert_eq!(
        errors[0].to_string(),
        "REQUEST_TIMEOUT: environment variable: expected a number, found text"
    );
}

#[test]
fn r94_r95_timeouts_of_one_answer() {
    let of = |params: &str, settings: &str| {
        let list = ONE.replace("gpt-4o", &format!("gpt-4o{params}"));
        let config = config(&format!("{list}{settings}"));
        config.settings.timeout_for(&config.deployments[0])
    };
    let both = "router_settings: {timeout: 9}\nlitellm_settings: {request_timeout: 4}";
    assert_eq!(of("", ""), secs(6000));
    assert_eq!(of("", "litellm_settings: {request_timeout: 4}"), secs(4));
    assert_eq!(of("", "router_settings: {timeout: 9}"), secs(9));
    assert_eq!(of("", both), secs(4));
    assert_eq!(of(", request_timeout: 2", both), secs(2));
    assert_eq!(of(", request_timeout: 2, timeout: 1", both), secs(1));
    assert_eq!(
        of(", timeout: 0", "router_settings: {timeout: ''}"),
        secs(6000)
    );
}

#[test]
fn r96_timeouts_of_streams() {
    let of = |params: &str, settings: &str| {
        let list = ONE.replace("gpt-4o", &format!("gpt-4o{params}"));
        let config = config(&format!("{list}{settings}"));
        config.settings.stream_timeout_for(&config.deployments[0])
    };
    let litellm = "litellm_settings: {stream_timeout: 5}";
    assert_eq!(of("", ""), secs(6000));
    assert_eq!(of(", timeout: 1", ""), secs(1));
    assert_eq!(of(", timeout: 1", litellm), secs(5));
    assert_eq!(of(", timeout: 1, stream_timeout: 3", litellm), secs(3));
    let both = format!("{litellm}\nrouter_settings: {{stream_timeout: 4}}");
    assert_eq!(of(", timeout: 1", &both), secs(4));
    // Of the limits for whole answers, the one for all models comes first.
    let request = "litellm_settings: {request_timeout: 2}\nrouter_settings: {timeout: 9}";
    assert_eq!(of(", timeout: 10", request), secs(2));
    assert_eq!(of(", timeout: 10, stream_timeout: 3", request), secs(3));
}

#[test]
fn r82_which_failures_fall_back() {
    let config = with_settings("");
    assert_eq!(
        (
            config.settings.fallback_on,
            config.settings.allow_generic_fallback_on_refusal
        ),
        (None, false)
    );
    let settings = "router_settings: {fallback_on: [server, timeout], allow_generic_fallback_on_refusal: true}";
    let config = with_settings(settings);
    assert_eq!(config.settings.fallback_on.unwrap(), ["server", "timeout"]);
    assert!(config.settings.allow_generic_fallback_on_refusal);
    assert_eq!(config.findings, []);
    let wrong = errors(&format!(
        "{ONE}router_settings:\n  fallback_on: [server, weather, time_out]\n"
    ));
    let unknown = "unknown kind of failure";
    assert_eq!(
        wrong,
        [
            format!("c.yaml:3:25: router_settings.fallback_on[1]: {unknown}"),
            format!(
                "c.yaml:3:34: router_settings.fallback_on[2]: {unknown}; did you mean `timeout`?"
            ),
        ]
    );
    let wrong = errors(&format!("{ONE}router_settings: {{fallback_on: weather}}"));
    assert_eq!(
        wrong,
        [format!(
            "c.yaml:2:32: router_settings.fallback_on: {unknown}"
        )]
    );
}

#[test]
fn parameters_that_are_let_through_reach_the_client_of_the_provider() {
    let found = deployment("model: gpt-4o, allowed_openai_params: [temperature]");
    assert_eq!(
        found.provider_params.get("allowed_openai_params").unwrap(),
        &serde_json::json!(["temperature"])
    );
}

#[test]
fn all_mistakes_are_said_at_once() {
    let text = format!(
        "{ONE}router_settings:
  num_retries: abc
  timeout: -1
  routing_strategy: fastest
litellm_settings:
  num_retries: 1.5
  drop_params: maybe
  allowed_fails: [1]
general_settings: [x]
environment_variables: 5
"
    );
    assert_eq!(
        errors(&text),
        [
            "c.yaml:11:24: environment_variables: expected a mapping, found a number",
            "c.yaml:5:21: router_settings.routing_strategy: unknown strategy; known are \
             simple-shuffle, least-busy, usage-based-routing, usage-based-routing-v2, \
             latency-based-routing, peak-ewma, cost-based-routing, provider-budget-routing",
            "c.yaml:3:16: router_settings.num_retries: expected a number, found text",
            "c.yaml:4:12: router_settings.timeout: must not be negative",
            "c.yaml:7:16: litellm_settings.num_retries: expected a whole number up to 4294967295",
            "c.yaml:8:16: litellm_settings.drop_params: expected true or false, found text",
            "c.yaml:9:18: litellm_settings.allowed_fails: expected a number, found a list",
            "c.yaml:10:19: general_settings: expected a mapping, found a list",
        ]
    );
}

#[test]
fn known_settings_without_effect_are_named() {
    let config = with_settings(
        "router_settings: {redis_host: h, polling_interval: 3, set_verbose: true}
litellm_settings: {cache: true, success_callback: [x], callbacks: [], set_verbose: false}
general_settings: {alerting: on, database_url: x, store_model_in_db: off}
",
    );
    let paths = config.findings.iter().map(|finding| {
        assert_eq!(finding.severity, Severity::NotActive);
        let detail = match finding.path.contains("redis_") {
            true => ": state is per process",
            false => "",
        };
        let message = format!("not active yet: {}{detail}", finding.path);
        assert_eq!(finding.message, message);
        finding.path.as_str()
    });
    assert_eq!(
        paths.collect::<Vec<_>>(),
        [
            "router_settings.redis_host",
            "router_settings.polling_interval",
            "router_settings.set_verbose",
            "litellm_settings.cache",
            "litellm_settings.success_callback",
            "general_settings.alerting",
            "general_settings.database_url",
        ]
    );
}

#[test]
fn r1_r8_unknown_settings_are_warnings() {
    let config = with_settings(
        "router_setings: {}\nrouter_settings: {bogus_setting: 1, health_check_interval: 1, max_falbacks: 2}\n5: x\n",
    );
    assert_eq!(
        shown(&config.findings, Severity::Warning),
        [
            "c.yaml:2:1: router_setings: unknown setting; did you mean `router_settings`?",
            "c.yaml:4:1: 5: unknown setting",
            "c.yaml:3:19: router_settings.bogus_setting: unknown setting",
            "c.yaml:3:37: router_settings.health_check_interval: has no effect here; it belongs \
             to `general_settings`",
            "c.yaml:3:63: router_settings.max_falbacks: unknown setting; did you mean \
             `max_fallbacks`?",
        ]
    );
}

#[test]
fn general_settings() {
    let config = with_settings(
        "general_settings: {master_key: sk-1, compat_error_types: openai, \
         max_request_size_mb: 0.5, global_max_parallel_requests: 7, forward_client_headers_to_llm_api: yes, \
         dangerously_permit_weak_or_unset_master_key: true}",
    );
    assert_eq!(config.general.master_key.as_ref().unwrap().expose(), "sk-1");
    assert_eq!(config.general.error_types, ErrorTypes::OpenAi);
    assert_eq!(config.general.max_request_bytes, 512 * 1024);
    assert_eq!(config.general.max_in_flight, Some(7));
    let zero = with_settings("general_settings: {global_max_parallel_requests: 0}");
    assert_eq!(zero.general.max_in_flight, None);
    assert_eq!(
        config.general.forward_client_headers,
        ForwardClientHeaders::Custom
    );
    assert_eq!(config.findings, []);
    let listed = with_settings("general_settings: {forward_client_headers_to_llm_api: [X-One]}");
    let expected = ForwardClientHeaders::Listed(vec!["x-one".to_owned()]);
    assert_eq!(listed.general.forward_client_headers, expected);
    for bad in [
        "compat_error_types: mine",
        "master_key: [k]",
        "master_key: true",
        "forward_client_headers_to_llm_api: ['a b']",
        "max_request_size_mb: big",
    ] {
        assert_eq!(
            errors(&format!("{ONE}general_settings: {{{bad}}}")).len(),
            1,
            "{bad}"
        );
    }
}

#[test]
fn settings_in_the_wrong_place() {
    let text = "
model_list:
- model_name: a
  litellm_params: {model: o1, model_name: x, routing_strategy: y}
  api_base: http://a
  num_retries: 1
  base_model: x
  id: a
- model_name: b
litellm_params: {model: o1}
api_key: sk-1
num_retries: 1
total_timeout: 1
router_settings: {drop_params: true, master_key: sk-1}
litellm_settings: {routing_strategy: least-busy}
";
    let no = "has no effect here; it belongs to";
    let lost = "is its indentation lost?";
    let config = common::config(text);
    assert_eq!(
        shown(&config.findings, Severity::Warning),
        [
            format!("c.yaml:10:1: litellm_params: {no} an entry of `model_list`: {lost}"),
            format!(
                "c.yaml:11:1: api_key: {no} `litellm_params` of an entry of `model_list`: {lost}"
            ),
            format!("c.yaml:12:1: num_retries: {no} `router_settings` or `litellm_settings`"),
            format!("c.yaml:13:1: total_timeout: {no} `router_settings`"),
            format!("c.yaml:14:19: router_settings.drop_params: {no} `litellm_settings`"),
            format!("c.yaml:14:38: router_settings.master_key: {no} `general_settings`"),
            format!("c.yaml:15:20: litellm_settings.routing_strategy: {no} `router_settings`"),
            format!("c.yaml:5:3: model_list[0].api_base: {no} `litellm_params`: {lost}"),
            format!("c.yaml:6:3: model_list[0].num_retries: {no} `litellm_params`: {lost}"),
            format!("c.yaml:7:3: model_list[0].base_model: {no} `litellm_params`: {lost}"),
            format!("c.yaml:8:3: model_list[0].id: {no} `model_info`: {lost}"),
            "c.yaml:4:31: model_list[0].litellm_params.model_name: sent to the provider as it is; \
             it belongs to `model_list`"
                .to_owned(),
        ]
    );
}

#[test]
fn what_a_server_takes_from_the_litellm_section() {
    let config = common::config("model_list: [{model_name: a, litellm_params: {model: o1}}]");
    assert!(!config.settings.json_logs);
    assert!(config.settings.require_auth_for_metrics_endpoint);
    let mut settings = with_settings(
        "litellm_settings: {json_logs: true, require_auth_for_metrics_endpoint: false, request_timeout: 9}",
    );
    assert!(settings.settings.json_logs);
    assert!(!settings.settings.require_auth_for_metrics_endpoint);
    let limit = std::time::Duration::from_secs(2);
    settings.settings.set_request_timeout(limit);
    let deployment = &settings.deployments[0];
    assert_eq!(settings.settings.timeout_for(deployment), limit);
}

#[test]
fn streams_that_break() {
    let recovery = |text: &str| with_settings(text).settings.stream_recovery;
    assert_eq!(recovery(""), StreamRecovery::Off);
    use StreamRecovery::{Continue, Off, Restart};
    for word in [Off, Restart, Continue] {
        let text = format!("router_settings: {{stream_recovery: {}}}", word.as_str());
        assert_eq!(recovery(&text), word);
    }
    let commit = |text: &str| with_settings(text).settings.stream_commit;
    assert_eq!(commit(""), StreamCommit::FirstContent);
    for word in [StreamCommit::FirstContent, StreamCommit::Complete] {
        let text = format!("router_settings: {{stream_commit: {}}}", word.as_str());
        assert_eq!(commit(&text), word);
    }
}

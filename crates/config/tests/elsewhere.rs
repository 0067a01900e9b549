//! Health checks, and files that settings name.

mod common;

use std::time::Duration;

use common::{ONE, config, errors, shown, with_settings};
use ziggurat_config::Severity;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn r29j_health_checks() {
    let health = with_settings("").settings.health;
    assert_eq!(health.health_check_interval, secs(300));
    assert_eq!(health.health_check_staleness_threshold, secs(600));
    assert!(!health.background_health_checks && !health.enable_health_check_routing);
    assert!(!health.health_check_ignore_transient_errors);
    let general = "general_settings: {background_health_checks: true, health_check_interval: 30,
  enable_health_check_routing: true, health_check_ignore_transient_errors: true}\n";
    let config = with_settings(general);
    let health = &config.settings.health;
    assert!(health.background_health_checks && health.enable_health_check_routing);
    assert!(health.health_check_ignore_transient_errors);
    assert_eq!(health.health_check_staleness_threshold, secs(60));
    assert_eq!(config.findings, []);
    let router = "router_settings: {enable_health_check_routing: false}";
    let health = with_settings(&format!("{general}{router}")).settings.health;
    assert!(!health.enable_health_check_routing, "the router wins");
    let idle = "general_settings: {enable_health_check_routing: true, \
                health_check_staleness_threshold: 60}";
    assert_eq!(
        shown(&with_settings(idle).findings, Severity::Warning),
        [
            "c.yaml:2:20: general_settings.enable_health_check_routing: has no effect without \
             `general_settings.background_health_checks`",
            "c.yaml:2:55: general_settings.health_check_staleness_threshold: is shorter than \
             `health_check_interval`: verdicts do not hold until the next check",
        ]
    );
    let text = format!("{ONE}general_settings: {{health_check_staleness_threshold: x}}");
    assert_eq!(
        errors(&text),
        [
            "c.yaml:2:54: general_settings.health_check_staleness_threshold: expected a number, \
             found text"
        ]
    );
}

const FACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/facts");

#[test]
fn a_file_of_facts_about_models() {
    let file = std::path::Path::new(FACTS).join("config.yaml");
    let config = ziggurat_config::Config::from_path(file).unwrap();
    let window = |model: &str| {
        let facts = config.models.facts(None, model);
        facts.and_then(|facts| facts.max_input_tokens)
    };
    assert_eq!(window("my-model"), Some(32_768));
    assert_eq!(window("gpt-4"), Some(6000));
    assert_eq!(window("gpt-4o"), Some(128_000));
    let directory = std::path::Path::new(FACTS);
    assert_eq!(config.resolve_path("x.json"), directory.join("x.json"));
    assert_eq!(
        config.resolve_path("/x.json"),
        std::path::Path::new("/x.json")
    );
}

#[test]
fn a_file_of_facts_that_cannot_be_used_stops_the_start() {
    let facts = |name: &str| errors(&format!("{ONE}router_settings: {{model_facts: {name}}}"));
    let [missing] = &facts("no/such.json")[..] else {
        panic!("one error");
    };
    assert!(
        missing
            .starts_with("c.yaml:2:32: router_settings.model_facts: `no/such.json` cannot be read"),
        "{missing}"
    );
    let wrong = format!("{FACTS}/wrong.json");
    let [unknown] = &facts(&wrong)[..] else {
        panic!("one error");
    };
    assert!(
        unknown.contains("wrong.json`: line 2, entry `my-model`: ")
            && unknown.contains("max_tokens"),
        "{unknown}"
    );
    let text = format!("{ONE}router_settings: {{model_facts: [x]}}");
    assert_eq!(
        errors(&text),
        ["c.yaml:2:32: router_settings.model_facts: expected text, found a list"]
    );
}

#[test]
fn names_that_begin_like_known_ones_belong_where_they_act() {
    let text =
        "litellm_settings: {disable_cooldowns: true, enable_pre_call_checks: true, disable_x: true}
general_settings: {enable_tag_filtering: false}";
    let findings = with_settings(text).findings;
    let no = "has no effect here; it belongs to `router_settings`";
    assert_eq!(
        shown(&findings, Severity::Warning),
        [
            format!("c.yaml:2:20: litellm_settings.disable_cooldowns: {no}"),
            format!("c.yaml:2:45: litellm_settings.enable_pre_call_checks: {no}"),
            format!("c.yaml:3:20: general_settings.enable_tag_filtering: {no}"),
        ]
    );
    let idle = "c.yaml:2:75: not active yet: litellm_settings.disable_x";
    assert_eq!(shown(&findings, Severity::NotActive), [idle]);
}

#[test]
fn slips_in_names_that_begin_like_known_ones() {
    let settings = "litellm_settings: {enable_pre_call_check: true, disable_cooldown: true}
general_settings: {health_check_intervall: 9, enable_health_check_routng: true, health_check_model: x}";
    let findings = with_settings(settings).findings;
    let slip = "unknown setting; did you mean";
    assert_eq!(
        shown(&findings, Severity::Warning),
        [
            format!(
                "c.yaml:2:20: litellm_settings.enable_pre_call_check: {slip} `router_settings.enable_pre_call_checks`?"
            ),
            format!(
                "c.yaml:2:49: litellm_settings.disable_cooldown: {slip} `router_settings.disable_cooldowns`?"
            ),
            format!(
                "c.yaml:3:20: general_settings.health_check_intervall: {slip} `health_check_interval`?"
            ),
            format!(
                "c.yaml:3:47: general_settings.enable_health_check_routng: {slip} `enable_health_check_routing`?"
            ),
        ]
    );
    assert_eq!(
        shown(&findings, Severity::NotActive),
        ["c.yaml:3:81: not active yet: general_settings.health_check_model"]
    );
    let text = "model_list: [{model_name: a, litellm_params: {model: o1}, model_info: {supports_visoin: true, supports_mind_reading: true}}]";
    assert_eq!(
        shown(&config(text).findings, Severity::Warning),
        [format!(
            "c.yaml:1:72: model_list[0].model_info.supports_visoin: {slip} `supports_vision`?"
        )]
    );
}

#[test]
fn what_is_on_by_itself_asks_for_something_when_it_is_off() {
    let told = |settings: &str| shown(&with_settings(settings).findings, Severity::NotActive);
    for off in ["false", "no"] {
        assert_eq!(
            told(&format!(
                "litellm_settings: {{ssl_verify: {off}, cache: {off}}}"
            )),
            ["c.yaml:2:20: not active yet: litellm_settings.ssl_verify"]
        );
    }
    assert_eq!(
        told("general_settings: {health_check_details: false, store_model_in_db: false}"),
        ["c.yaml:2:20: not active yet: general_settings.health_check_details"]
    );
}

#[test]
fn what_acts_elsewhere_is_no_parameter_of_a_request() {
    let params = "{model: o1, blocked: true, enable_pre_call_checks: true, top_k: 3}";
    let text = format!("model_list: [{{model_name: a, litellm_params: {params}}}]");
    let at = "model_list[0].litellm_params";
    let sent = "sent to the provider as it is; it belongs to";
    assert_eq!(
        shown(&common::config(&text).findings, Severity::Warning),
        [
            format!("c.yaml:1:58: {at}.blocked: {sent} `model_info`"),
            format!("c.yaml:1:73: {at}.enable_pre_call_checks: {sent} `router_settings`"),
        ]
    );
}

//! Health checks, and files that settings name.

mod common;

use std::time::Duration;

use common::{ONE, errors, shown, with_settings};
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

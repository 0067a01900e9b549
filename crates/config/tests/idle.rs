//! Settings that act only beside others, and zeros.

mod common;

use common::{config, shown};
use ziggurat_config::Severity;

/// The warnings about two groups, the first of which has these parameters.
fn warnings_of(params: &str, settings: &str) -> Vec<String> {
    let text = format!(
        "model_list:
- {{model_name: a, litellm_params: {{model: o1, {params}}}}}
- {{model_name: b, litellm_params: {{model: o1}}}}
{settings}"
    );
    let mut said = shown(&config(&text).meaning(), Severity::Warning);
    for line in &mut said {
        *line = line.replace("c.yaml:", "");
    }
    said
}

fn warnings(settings: &str) -> Vec<String> {
    warnings_of("", settings)
}

const NONE: [&str; 0] = [];

#[test]
fn health_checks_that_are_not_made() {
    let keys = "health_check_interval: 9, health_check_ignore_transient_errors: true";
    let no = "has no effect without `general_settings.background_health_checks`";
    assert_eq!(
        warnings(&format!("general_settings: {{{keys}}}")),
        [
            format!("4:20: general_settings.health_check_interval: {no}"),
            format!("4:46: general_settings.health_check_ignore_transient_errors: {no}"),
        ]
    );
    let on = format!("general_settings: {{{keys}, background_health_checks: true}}");
    assert_eq!(warnings(&on), NONE);
}

#[test]
fn tags_that_nobody_looks_at() {
    let no = "has no effect without `router_settings.enable_tag_filtering`";
    let any = "router_settings: {tag_filtering_match_any: true}";
    assert_eq!(
        warnings_of("tags: [x]", any),
        [
            format!("4:19: router_settings.tag_filtering_match_any: {no}"),
            format!("2:47: model_list[0].litellm_params.tags: {no}"),
        ]
    );
    let on = "router_settings: {tag_filtering_match_any: true, enable_tag_filtering: true}";
    assert_eq!(warnings_of("tags: [x]", on), NONE);
}

#[test]
fn cooldowns_that_are_disabled() {
    let off = "router_settings: {disable_cooldowns: true, cooldown_wait: 3, cooldown_time: 9}";
    let no = "has no effect: cooldowns are disabled (`router_settings.disable_cooldowns`)";
    assert_eq!(
        warnings(off),
        [
            format!("4:44: router_settings.cooldown_wait: {no}"),
            format!("4:62: router_settings.cooldown_time: {no}"),
        ]
    );
    assert_eq!(warnings(&off.replace("true", "false")), NONE);
}

#[test]
fn zeros_that_are_not_what_they_look_like() {
    assert_eq!(
        warnings("litellm_settings: {cooldown_time: 0}"),
        [
            "4:20: litellm_settings.cooldown_time: 0 is not set: a cooldown lasts 5 s; \
             `router_settings.disable_cooldowns` is for none"
        ]
    );
    let hops = "router_settings: {max_fallbacks: 0, fallbacks: [{a: [b]}]}";
    assert_eq!(
        warnings(hops),
        ["4:19: router_settings.max_fallbacks: 0 is none: no chain of fallbacks is ever asked"]
    );
    assert_eq!(warnings(&hops.replace(": 0", ": 1")), NONE);
    assert_eq!(warnings("router_settings: {max_fallbacks: 0}"), NONE);
    let path = "model_list[0].litellm_params";
    assert_eq!(
        warnings_of("max_parallel_requests: 0, rpm: 0.0", ""),
        [
            format!("2:47: {path}.max_parallel_requests: 0 is no limit"),
            format!("2:73: {path}.rpm: 0 is no limit"),
        ]
    );
    assert_eq!(warnings_of("max_parallel_requests: 1, rpm: 1", ""), NONE);
}

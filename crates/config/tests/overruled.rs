//! Values that others win over.

mod common;

use common::{config, shown, with_settings};
use ziggurat_config::Severity;

#[test]
fn r29_a_value_that_another_one_wins_over_is_a_finding() {
    let text = "litellm_settings:
  num_retries: 1
  cooldown_time: 5
  max_fallbacks: ~
  fallbacks: [{a: [b]}]
  default_fallbacks: []
  context_window_fallbacks: [{a: [a]}]
router_settings:
  num_retries: 2
  cooldown_time: 5
  max_fallbacks: 2
  fallbacks: [{a: [c]}]
  default_fallbacks: [a]
  context_window_fallbacks: []
general_settings: {enable_health_check_routing: true, background_health_checks: true}
";
    let found = shown(&with_settings(text).findings, Severity::Warning);
    let overruled: Vec<_> = found.iter().filter(|it| it.ends_with("wins")).collect();
    assert_eq!(
        overruled,
        [
            "c.yaml:3:3: litellm_settings.num_retries: has no effect: \
             `router_settings.num_retries` at c.yaml:10:3 wins",
            "c.yaml:6:3: litellm_settings.fallbacks: has no effect: `router_settings.fallbacks` \
             at c.yaml:13:3 wins",
        ]
    );
    let routing =
        "general_settings: {enable_health_check_routing: true, background_health_checks: true}
router_settings: {enable_health_check_routing: false}";
    assert_eq!(
        shown(&with_settings(routing).findings, Severity::Warning),
        [
            "c.yaml:2:20: general_settings.enable_health_check_routing: has no effect: \
             `router_settings.enable_health_check_routing` at c.yaml:3:19 wins"
        ]
    );
}

#[test]
fn r29_two_values_of_a_deployment_for_one_thing_are_a_finding() {
    let text = "model_list:
- model_name: a
  rpm: 1
  tpm: 5
  model_info: {order: 1, cooldown_time: 3, base_model: o1, allowed_fails: 1}
  litellm_params:
    model: o1
    rpm: 2
    tpm: 5
    num_retries: 2
    max_retries: 5
    timeout: 7
    request_timeout: 8
    order: 2
    cooldown_time: 4
    base_model: gpt-4o
    allowed_fails: 2
    api_base: http://a
    base_url: http://b
";
    let config = config(text);
    let one = &config.deployments[0];
    assert_eq!((one.rpm, one.num_retries), (Some(2.0), Some(2)));
    let (params, info) = ("model_list[0].litellm_params", "model_list[0].model_info");
    let wins = |line, loser: &str, winner: &str, at| {
        format!("c.yaml:{line}: {loser}: has no effect: `{winner}` at c.yaml:{at} wins")
    };
    let of_params = |line, loser, winner, at| {
        wins(
            line,
            &format!("{params}.{loser}"),
            &format!("{params}.{winner}"),
            at,
        )
    };
    let mut expected = [
        wins("3:3", "model_list[0].rpm", &format!("{params}.rpm"), "8:5"),
        wins(
            "5:16",
            &format!("{info}.order"),
            &format!("{params}.order"),
            "14:5",
        ),
        of_params("11:5", "max_retries", "num_retries", "10:5"),
        of_params("13:5", "request_timeout", "timeout", "12:5"),
        of_params("19:5", "base_url", "api_base", "18:5"),
        wins(
            "15:5",
            &format!("{params}.cooldown_time"),
            &format!("{info}.cooldown_time"),
            "5:26",
        ),
        wins(
            "16:5",
            &format!("{params}.base_model"),
            &format!("{info}.base_model"),
            "5:44",
        ),
        wins(
            "17:5",
            &format!("{params}.allowed_fails"),
            &format!("{info}.allowed_fails"),
            "5:60",
        ),
    ];
    expected.sort();
    let mut found = shown(&config.findings, Severity::Warning);
    found.sort();
    assert_eq!(found, expected);
    let rules = config.meaning().into_iter().filter_map(|note| note.rule);
    assert!(
        !rules.collect::<Vec<_>>().contains(&"R15"),
        "max_retries counts for nothing"
    );
}

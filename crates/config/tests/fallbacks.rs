//! Rules about fallback tables and aliases.

mod common;

use common::{ONE, config, errors, shown, with_settings};
use ziggurat_config::{Config, FallbackTable, Severity};

fn chains(table: &FallbackTable) -> Vec<(&str, Vec<&str>)> {
    table
        .iter()
        .map(|(key, chain)| {
            (
                key.as_str(),
                chain.iter().map(|t| t.model.as_str()).collect(),
            )
        })
        .collect()
}

/// A step of a chain may have limits of its own, which are checked like all others.
#[test]
fn r85_limits_of_steps_are_checked() {
    let wrong = errors(&format!(
        "{ONE}litellm_settings:\n  fallbacks:\n  - a:\n    - model: a\n      timeout: soon\n      num_retries: -1\n"
    ));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(
        wrong[0].starts_with("c.yaml:6:16: ") && wrong[1].starts_with("c.yaml:7:20: "),
        "{wrong:?}"
    );
    let settings = "litellm_settings: {fallbacks: [{a: [{model: a, temperature: 0, timeout: 1, api_key: k}]}]}";
    let warnings = shown(&with_settings(settings).findings, Severity::Warning);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("api_key") && warnings[0].contains("no effect"),
        "{warnings:?}"
    );
}

const GROUPS: &str = "model_list:
- {model_name: a, litellm_params: {model: o1}, model_info: {id: id-a}}
- {model_name: b, litellm_params: {model: openai/own}}
";

fn groups(settings: &str) -> Config {
    config(&format!("{GROUPS}{settings}"))
}

#[test]
fn r30_fallback_tables() {
    let config = groups(
        "litellm_settings:
  fallbacks: [{a: [b, {model: b, temperature: 0}]}]
  context_window_fallbacks: [{a: [b]}, {b: [a]}]
  content_policy_fallbacks: []
  default_fallbacks: [b]
",
    );
    let tables = &config.fallbacks;
    assert_eq!(
        chains(&tables.general),
        [("a", vec!["b", "b"]), ("*", vec!["b"])]
    ); // R30b
    assert_eq!(
        chains(&tables.context_window),
        [("a", vec!["b"]), ("b", vec!["a"])]
    );
    assert_eq!(chains(&tables.content_policy), []);
    let mapping = &tables.general[0].1[1]; // R85
    assert_eq!(
        serde_json::json!(mapping.parameters),
        serde_json::json!({"temperature": 0})
    );
    assert_eq!(config.findings, []);
}

#[test]
fn r29d_a_router_table_that_is_not_empty_wins() {
    let litellm = "litellm_settings: {fallbacks: [{a: [b]}], default_fallbacks: [a]}\n";
    let router = |table| groups(&format!("{litellm}router_settings: {{{table}}}")).fallbacks;
    let found = router("fallbacks: []");
    assert_eq!(chains(&found.general), [("a", vec!["b"]), ("*", vec!["a"])]);
    let found = router("fallbacks: [{b: [a]}], default_fallbacks: [b]");
    assert_eq!(chains(&found.general), [("b", vec!["a"]), ("*", vec!["b"])]);
}

#[test]
fn r30_all_tables_are_checked_alike() {
    for table in [
        "fallbacks",
        "context_window_fallbacks",
        "content_policy_fallbacks",
    ] {
        for (bad, at) in [
            ("[a]", "[0]"),
            ("[{a: [b], b: [a]}]", "[0]"),
            ("[{}]", "[0]"),
            ("[{1: [b]}]", "[0]"),
            ("{a: [b]}", ""),
            ("[{a: b}]", "[0].a"),
            ("[{a: [5]}]", "[0].a[0]"),
            ("[{a: ['']}]", "[0].a[0]"),
            ("[{a: [{temperature: 0}]}]", "[0].a[0]"),
        ] {
            let errors = errors(&format!("{GROUPS}litellm_settings: {{{table}: {bad}}}"));
            assert_eq!(errors.len(), 1, "{bad}: {errors:?}");
            let path = format!(": litellm_settings.{table}{at}: expected ");
            assert!(errors[0].contains(&path), "{errors:?}");
        }
    }
}

#[test]
fn r30_targets_that_lead_nowhere_are_warnings() {
    let config = groups(
        "litellm_settings: {fallbacks: [{a: [b, id-a, openai/own, other, gone]}]}
router_settings: {model_group_alias: {other: a, empty: gone}}
",
    );
    assert_eq!(
        shown(&config.findings, Severity::Warning),
        [
            "c.yaml:4:65: litellm_settings.fallbacks[0].a[4]: no usable deployment is named `gone`",
            "c.yaml:5:56: router_settings.model_group_alias.empty: no usable deployment is named \
             `gone`",
        ]
    );
}

#[test]
fn r33_aliases() {
    let config = groups(
        "router_settings: {model_group_alias: {x: a, y: {model: b, hidden: yes}, z: {model: b}}}",
    );
    let aliases = config
        .aliases
        .iter()
        .map(|a| (a.name.as_str(), a.group.as_str(), a.hidden));
    let expected = [("x", "a", false), ("y", "b", true), ("z", "b", false)];
    assert_eq!(aliases.collect::<Vec<_>>(), expected);
    for bad in [
        "{x: 5}",
        "{x: {hidden: true}}",
        "{x: {model: b, hidden: 7}}",
        "[x]",
    ] {
        let text = format!("{GROUPS}router_settings: {{model_group_alias: {bad}}}");
        assert_eq!(errors(&text).len(), 1, "{bad}");
    }
}

#[test]
fn of_two_chains_for_one_group_one_is_asked() {
    let text = "model_list:
- {model_name: a, litellm_params: {model: o1}}
- {model_name: b, litellm_params: {model: o1}}
- {model_name: c, litellm_params: {model: o1}}
router_settings:
  fallbacks: [{a: [b]}, {'*': [b]}, {a: [c]}, {'*': [c]}]
  default_fallbacks: [a]
  context_window_fallbacks: [{a: [b]}, {b: [c]}]
";
    let path = "router_settings.fallbacks";
    let said = |line, loser: &str, winner: &str, at| {
        format!("c.yaml:{line}: {loser}: has no effect: `{winner}` at c.yaml:{at} wins")
    };
    assert_eq!(
        shown(&config(text).findings, Severity::Warning),
        [
            said(
                "6:38",
                &format!("{path}[2].a"),
                &format!("{path}[0].a"),
                "6:16"
            ),
            said(
                "6:26",
                &format!("{path}[1].*"),
                &format!("{path}[3].*"),
                "6:48"
            ),
            said(
                "6:48",
                &format!("{path}[3].*"),
                "router_settings.default_fallbacks",
                "7:3"
            ),
        ]
    );
}

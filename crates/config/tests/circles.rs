//! Chains of fallbacks that lead back, where that takes a second look.

mod common;

use common::{config, shown};
use ziggurat_config::Severity;

fn warnings(text: &str) -> Vec<String> {
    shown(&config(text).meaning(), Severity::Warning)
}

#[test]
fn a_way_back_may_go_through_an_alias() {
    let text = "
model_list:
- {model_name: mine, litellm_params: {model: openai/a}}
- {model_name: small, litellm_params: {model: openai/a}}
router_settings:
  model_group_alias: {other: small}
  fallbacks: [{mine: [other]}, {small: [mine]}]
";
    assert_eq!(
        warnings(text),
        [
            "c.yaml:7:23: router_settings.fallbacks[0].mine[0]: leads back: `mine` -> `small` -> `mine`; no group is asked twice \
          for one request, so the chain ends there"
        ]
    );
}

/// Every way of a table is followed once: looked at from each of its groups anew, this one takes hours.
#[test]
fn a_long_way_is_followed_once() {
    let group = |n: usize| format!("- {{model_name: g{n}, litellm_params: {{model: openai/a}}}}\n");
    let step = |n: usize| format!("  - g{n}: [g{}, g{}]\n", n + 1, n + 2);
    let most = 3000;
    let list: String = (0..most + 2).map(group).collect();
    let chains: String = (0..most).map(step).collect();
    let text = format!(
        "model_list:\n{list}router_settings:\n  fallbacks:\n{chains}  - g{most}: [g{}]\n",
        most - 1
    );
    let warnings = warnings(&text);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("leads back: `g2999` -> `g3000` -> `g2999`"));
}

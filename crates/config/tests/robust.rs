//! No text makes the reader panic, and none makes it hang.

mod common;

use common::{ONE, load};
use proptest::prelude::*;
use ziggurat_config::{Excerpt, Loader};

/// Pieces that meet often in a configuration.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "model_list",
        "model_name",
        "litellm_params",
        "model",
        "model_info",
        "id",
        "rpm",
        "timeout",
        "router_settings",
        "litellm_settings",
        "general_settings",
        "environment_variables",
        "fallbacks",
        "default_fallbacks",
        "model_group_alias",
        "organization",
        "extra_headers",
        "os.environ/X",
        "gpt-4o",
        "azure/x",
        "<<",
        "yes",
        "~",
        "-1",
        "1e400",
        ".nan",
        "''",
        ": ",
        ":\n  ",
        "\n",
        "\n- ",
        "\n  - ",
        "\n    ",
        ", ",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!x ",
        "!!str ",
        "| ",
        "> ",
        "# ",
        "\"",
        "'",
        "---\n",
        "...\n",
        "%TAG ! x\n",
        "\t",
        "? ",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ]
}

const SETTINGS: [&str; 16] = [
    "allowed_fails",
    "allowed_fails_policy",
    "allowed_model_region",
    "cooldown_failure_share",
    "cooldown_time",
    "default_max_parallel_requests",
    "health_check_interval",
    "input_cost_per_token",
    "model_facts",
    "model_group_retry_policy",
    "optional_pre_call_checks",
    "retry_budget",
    "retry_policy",
    "routing_groups",
    "routing_strategy_args",
    "stream_idle_timeout",
];

/// Values of all kinds, and some that only just are none.
const VALUES: [&str; 20] = [
    "~",
    "''",
    "0",
    "1e308",
    "18446744073709551615",
    "18446744073709551616",
    "-0.0",
    ".inf",
    ".nan",
    "true",
    "text",
    "os.environ/X",
    "os.environ/UNSET",
    "[]",
    "[~, 1, x]",
    "[[x], {}]",
    "{}",
    "{5: {6: 7}}",
    "{ratio: 1e308, ttl: 1e19, a: {DefaultRetries: 1e10}}",
    "[{group_name: g, models: [a, a], routing_strategy_args: {ttl: 1e300}}]",
];

fn sample(names: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(names)
}

/// Reads a text, and says what it means.
fn look(text: &str) {
    let _ = load(text, &[("X", "x")]).map(|config| config.meaning());
}

/// Shows all that is said of a text.
fn show(text: &str) {
    let loader = Loader::new(|_| None).without_environment();
    let inspection = loader.inspect_str(text, "c.yaml");
    let findings = inspection.config.map(|config| config.findings);
    for finding in inspection
        .errors
        .into_iter()
        .chain(findings.into_iter().flatten())
    {
        let excerpt = finding.excerpt(&ziggurat_config::lines(text));
        let inside = |it: &Excerpt| it.caret <= it.line.chars().count();
        assert!(excerpt.as_ref().is_none_or(inside), "{excerpt:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(500)))]

    #[test]
    fn any_text(text in "\\PC*") {
        look(&text);
    }

    #[test]
    fn pieces_of_configurations(pieces in proptest::collection::vec(piece(), 0..40)) {
        look(&pieces.concat());
        show(&pieces.concat());
    }

    #[test]
    fn any_value_of_a_setting(key in sample(&SETTINGS), value in sample(&VALUES)) {
        for section in ["router_settings", "litellm_settings", "general_settings"] {
            look(&format!("{ONE}{section}: {{{key}: {value}}}"));
        }
        let entry = format!("model_name: a, model_info: {{{key}: {value}}}");
        let params = format!("{{model: o1, {key}: {value}}}");
        look(&format!("model_list: [{{{entry}, litellm_params: {params}}}]"));
    }

    #[test]
    fn broken_configurations(at in 0usize..1200, insert in piece(), cut in 0usize..4) {
        let text = include_str!("configs/fallbacks.yaml");
        let text = text.chars().collect::<Vec<_>>();
        let start = at.min(text.len());
        let end = (start + cut).min(text.len());
        let broken = text[..start].iter().collect::<String>()
            + &insert
            + &text[end..].iter().collect::<String>();
        look(&broken);
    }
}

#[test]
fn aliases_do_not_explode() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        let all = vec![format!("*a{}", n - 1); 9].join(", ");
        text += &format!("a{n}: &a{n} [{all}]\n");
    }
    let error = load(&text, &[]).unwrap_err().errors.remove(0);
    assert_eq!(
        error.to_string(),
        "c.yaml:1:1: not readable as YAML: the aliases repeat too much"
    );

    let mut text = "c0: &c0 [x]\n".to_owned();
    for n in 1..20_000 {
        text += &format!("c{n}: &c{n} [*c{}]\n", n - 1);
    }
    assert!(load(&text, &[]).is_err());
}

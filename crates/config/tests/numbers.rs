//! Numbers that are longer than numbers can be, most of them keys without quotes.

mod common;

use common::{ONE, config, deployment, errors, load, refusal};

/// Digits that fill 64 bits, more than 64, 128, and more than 128 bits, and numbers whose value is
/// written in another way.
const NUMBERS: [&str; 8] = [
    "5",
    "12345678901234567890",
    "99999999999999999999999",
    "-170141183460469231731687303715884105728",
    "1234567890123456789012345678901234567890",
    "0x1f",
    "0xffffffffffffffffffff",
    "12.50",
];

#[test]
fn keys_of_digits_are_text_as_written() {
    for digits in NUMBERS {
        let found = deployment(&format!("model: o1, api_key: {digits}"));
        assert_eq!(found.api_key.unwrap().expose(), digits);
        let config = config(&format!("{ONE}general_settings: {{master_key: {digits}}}"));
        assert_eq!(config.general.master_key.unwrap().expose(), digits);
    }
    // Merged keys too.
    let text = "x-key: &key {api_key: 99999999999999999999999}
model_list: [{model_name: a, litellm_params: {<<: *key, model: o1}}]";
    let found = config(text).deployments.remove(0);
    assert_eq!(found.api_key.unwrap().expose(), "99999999999999999999999");
}

#[test]
fn ids_follow_every_digit_of_a_key() {
    let id = |key: &str| deployment(&format!("model: o1, api_key: {key}")).id;
    let quoted = id("'99999999999999999999999'");
    assert_eq!(id("99999999999999999999999"), quoted);
    assert_ne!(id("99999999999999999999998"), quoted);
}

#[test]
fn variables_keep_every_digit() {
    let text = format!("{ONE}environment_variables: {{KEY: 99999999999999999999999}}");
    let key = config(&text).env("KEY");
    assert_eq!(key.as_deref(), Some("99999999999999999999999"));
}

#[test]
fn a_deployment_with_a_number_out_of_range_is_left_out() {
    for digits in ["99999999999999999999999", "9".repeat(45).as_str()] {
        let too_large = "the number is too large";
        let too_long = "the number is too long; text needs quotes";
        for (key, message) in [
            ("rpm", too_large),
            ("timeout", too_large),
            ("num_retries", too_large),
            ("seed", too_long),
            ("stop", too_long),
        ] {
            let column = 33 + key.len();
            assert_eq!(
                refusal(&format!("model: o1, {key}: {digits}")),
                format!("c.yaml:3:{column}: model_list[0].litellm_params.{key}: {message}")
            );
        }
    }
    let found = deployment("model: o1, user: '99999999999999999999999', seed: 1e30, foo: 0999");
    assert_eq!(found.defaults["user"], "99999999999999999999999");
    assert_eq!(found.defaults["seed"], 1e30);
    assert_eq!(found.defaults["foo"], "0999");
    let found = deployment("model: o1, user: !!str 99999999999999999999999, stop: !!str no");
    assert_eq!(found.defaults["user"], "99999999999999999999999");
    assert_eq!(found.defaults["stop"], "no");
}

#[test]
fn settings_out_of_range_stop_the_start_without_their_digits() {
    let settings = "router_settings: {num_retries: 99999999999999999999999}";
    assert_eq!(
        errors(&format!("{ONE}{settings}")),
        ["c.yaml:2:32: router_settings.num_retries: the number is too large"]
    );
}

#[test]
fn values_that_do_not_fit_their_tags_are_not_shown() {
    for tag in ["!!int", "!!bool", "!!float", "!!null"] {
        let text = format!("{ONE}general_settings:\n  master_key: {tag} sk-1\n");
        let errors = load(&text, &[]).unwrap_err();
        assert_eq!(
            errors.to_string(),
            "the configuration cannot be used\n\
             c.yaml:3:15: not readable as YAML: a value does not fit its tag"
        );
        assert!(!format!("{errors:?}").contains("sk-1"));
    }
    let reason = refusal("model: o1, api_key: !!int 99999999999999999999999");
    assert!(!reason.contains("999"), "{reason}");
}

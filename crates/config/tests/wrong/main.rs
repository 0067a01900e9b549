//! Every setting with every kind of value that it does not take, and what is said of it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod tables;

use common::{ONE, load};
use serde_json::Value;
use ziggurat_config::schema;

use tables::{
    COUNT, DEEP, FLAG, HEADERS, ID, LIST, MAPPING, NUMBER, OTHERS, SECRET, SHARE, TEXT, TEXTS, URL,
    Wrongs,
};

fn wrongs(kind: &str) -> Vec<(&'static str, &'static str)> {
    let of = |lists: &[Wrongs]| lists.concat();
    match kind {
        "number" => of(&[NUMBER]),
        "count" => of(&[NUMBER, COUNT]),
        "share" => of(&[NUMBER, SHARE]),
        "flag" => of(&[FLAG]),
        "text" => of(&[TEXT]),
        "id" => of(&[ID]),
        "secret" => of(&[SECRET]),
        "texts" => of(&[TEXTS]),
        "url" => of(&[URL]),
        "headers" => of(&[HEADERS]),
        "fallbacks" | "chain" => of(&[LIST]),
        "allowed_fails" => of(&[MAPPING]),
        other => panic!("{other}"),
    }
}

/// All settings of a part of the file that act, with their wrong values.
fn settings(part: &str, pointer: &str) -> Vec<(String, Vec<(&'static str, &'static str)>)> {
    // Their sections; what is only for listings.
    let skipped = [
        "description",
        "litellm_params",
        "litellm_provider",
        "max_output_tokens",
        "max_tokens",
        "metadata",
        "model_info",
    ];
    let schema = schema();
    let mut settings = Vec::new();
    for (key, schema) in schema.pointer(pointer).unwrap().as_object().unwrap() {
        let schema = schema.get("allOf").map_or(schema, |all| &all[0]);
        let kind = schema.get("$ref").and_then(Value::as_str);
        let path = format!("{part}.{key}");
        let own = OTHERS.iter().find(|(known, _)| *known == path);
        let is_idle = schema["description"] == "Not active yet.";
        match (kind, own) {
            (Some(kind), _) => {
                settings.push((
                    key.clone(),
                    wrongs(kind.strip_prefix("#/definitions/").unwrap()),
                ));
            }
            (None, Some((_, own))) => settings.push((key.clone(), own.to_vec())),
            (None, None) => assert!(
                is_idle || skipped.contains(&&**key),
                "{path} has no wrong values"
            ),
        }
    }
    settings
}

#[test]
fn sections() {
    for part in ["router_settings", "litellm_settings", "general_settings"] {
        let pointer = format!("/properties/{part}/properties");
        for (key, wrongs) in settings(part, &pointer) {
            for (value, message) in wrongs {
                let text = format!("{ONE}{part}:\n  {key}: {value}\n");
                let errors = load(&text, &[]).expect_err(&text).errors;
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                let column = key.len() + 5;
                assert_eq!(
                    errors,
                    [format!("c.yaml:3:{column}: {part}.{key}: {message}")]
                );
            }
        }
    }
}

/// A deployment of which one setting is wrong is left out, and says why.
fn left_out(entry: &str, expected: &str) {
    let text =
        format!("model_list:\n- {entry}\n- {{model_name: b, litellm_params: {{model: o1}}}}\n");
    let config = load(&text, &[]).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert_eq!(config.deployments.len(), 1, "{text}");
    assert_eq!(config.left_out[0].reason(), expected, "{text}");
}

const ITEM: &str = "/properties/model_list/items/properties";

#[test]
fn entries() {
    for (key, wrongs) in settings("model_list", ITEM) {
        for (value, message) in wrongs {
            let (column, path) = (key.len() + 5, format!("model_list[0].{key}"));
            let (line, entry) = match &*key {
                "model_name" => (
                    2,
                    format!("{key}: {value}\n  litellm_params: {{model: o1}}"),
                ),
                _ => (
                    4,
                    format!("model_name: a\n  litellm_params: {{model: o1}}\n  {key}: {value}"),
                ),
            };
            let said = format!("c.yaml:{line}:{column}: {path}: {message}");
            left_out(&entry, &said);
        }
    }
    left_out(
        "x",
        "c.yaml:2:3: model_list[0]: expected a mapping, found text",
    );
    left_out(
        "model_name: a",
        "c.yaml:2:3: model_list[0]: has no `litellm_params`",
    );
    left_out(
        "{model_name: a, litellm_params: [x]}",
        "c.yaml:2:35: model_list[0].litellm_params: expected a mapping, found a list",
    );
    left_out(
        "{litellm_params: {model: o1}}",
        "c.yaml:2:3: model_list[0].model_name: every entry needs the name of its group",
    );
}

#[test]
fn params() {
    let pointer = format!("{ITEM}/litellm_params/properties");
    for (key, wrongs) in settings("litellm_params", &pointer) {
        for (value, message) in wrongs {
            let (line, model) = match &*key {
                "model" => (4, ""),
                _ => (5, "    model: o1\n"),
            };
            let column = key.len() + 7;
            let entry = format!("model_name: a\n  litellm_params:\n{model}    {key}: {value}");
            let path = format!("model_list[0].litellm_params.{key}");
            left_out(
                &entry,
                &format!("c.yaml:{line}:{column}: {path}: {message}"),
            );
        }
    }
}

#[test]
fn info() {
    for (key, wrongs) in settings("model_info", &format!("{ITEM}/model_info/properties")) {
        for (value, message) in wrongs {
            let column = key.len() + 7;
            let entry = format!(
                "model_name: a\n  litellm_params: {{model: o1}}\n  model_info:\n    {key}: {value}"
            );
            let path = format!("model_list[0].model_info.{key}");
            left_out(&entry, &format!("c.yaml:5:{column}: {path}: {message}"));
        }
    }
}

#[test]
fn in_depth() {
    for (line, expected) in DEEP {
        let errors = load(&format!("{ONE}{line}\n"), &[]).expect_err(line).errors;
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        for expected in *expected {
            let expected = format!("c.yaml:{expected}");
            assert!(errors.contains(&expected), "{expected}\nof {errors:#?}");
        }
    }
}

/// What comes from the environment has no place in the file.
#[test]
fn the_environment() {
    for (name, value, message) in [
        ("REQUEST_TIMEOUT", "soon", "expected a number, found text"),
        (
            "ROUTER_MAX_FALLBACKS",
            "1.5",
            "expected a whole number up to 4294967295",
        ),
        (
            "DEFAULT_COOLDOWN_TIME_SECONDS",
            "-1",
            "must not be negative",
        ),
        (
            "DEFAULT_FAILURE_THRESHOLD_PERCENT",
            "50",
            "must be between 0 and 1",
        ),
        (
            "DEFAULT_FAILURE_THRESHOLD_MINIMUM_REQUESTS",
            "x",
            "expected a number, found text",
        ),
        (
            "AIOHTTP_TRUST_ENV",
            "maybe",
            "expected true or false, found text",
        ),
    ] {
        let errors = load(ONE, &[(name, value)]).expect_err(name).errors;
        assert_eq!(
            errors[0].to_string(),
            format!("{name}: environment variable: {message}")
        );
    }
    let text = format!("{ONE}router_settings: {{num_retries: os.environ/N}}\n");
    let errors = load(&text, &[("N", "many")]).unwrap_err().errors;
    assert_eq!(
        errors[0].to_string(),
        "c.yaml:2:32: router_settings.num_retries: expected a number, found text"
    );
}

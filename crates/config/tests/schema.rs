//! The JSON Schema takes what the reader takes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::sync::LazyLock;

use serde_json::{Value, json};
use ziggurat_config::{Loader, Severity, schema};

/// What the schema refuses in a value: paths of the value. Knows the words of JSON Schema that ours has, and no others.
fn refused(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let own = |wrong: bool| wrong.then(|| path.to_owned());
    let mut refusals = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "title" | "description" | "definitions" => {}
            "$ref" => {
                let target = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let target = root.pointer(target).unwrap();
                refusals.extend(refused(root, target, value, path));
            }
            "allOf" => {
                for rule in rule.as_array().unwrap() {
                    refusals.extend(refused(root, rule, value, path));
                }
            }
            "anyOf" => {
                let mut rules = rule.as_array().unwrap().iter();
                let none = !rules.any(|rule| refused(root, rule, value, path).is_empty());
                refusals.extend(own(none));
            }
            "enum" => refusals.extend(own(!rule.as_array().unwrap().contains(value))),
            "type" => {
                let types = rule
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![rule.clone()]);
                let is_one = types
                    .iter()
                    .any(|name| is_of_type(name.as_str().unwrap(), value));
                refusals.extend(own(!is_one));
            }
            "pattern" => {
                let is_wrong = |text: &str| !matches(rule.as_str().unwrap(), text);
                refusals.extend(own(value.as_str().is_some_and(is_wrong)));
            }
            "minimum" => refusals.extend(own(value.as_f64() < rule.as_f64())),
            "maximum" => refusals.extend(own(value.as_f64() > rule.as_f64())),
            "minProperties" | "maxProperties" => {
                let count = value.as_object().map(|members| members.len() as u64);
                refusals.extend(own(count.is_some_and(|count| Some(count) != rule.as_u64())));
            }
            "required" => {
                let lacks =
                    |key: &&Value| value.is_object() && value.get(key.as_str().unwrap()).is_none();
                refusals.extend(own(rule.as_array().unwrap().iter().any(|key| lacks(&key))));
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    refusals.extend(refused(root, rule, item, &format!("{path}[{index}]")));
                }
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    let path = format!("{path}.{key}");
                    refusals.extend(members(root, schema, key, value, &path));
                }
            }
            "additionalProperties" if schema.get("properties").is_none() => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    refusals.extend(refused(root, rule, value, &format!("{path}.{key}")));
                }
            }
            "patternProperties" | "additionalProperties" => {}
            other => panic!("the schema has a word that this test does not know: {other}"),
        }
    }
    refusals
}

fn members(root: &Value, schema: &Value, key: &str, value: &Value, path: &str) -> Vec<String> {
    if let Some(rule) = schema["properties"].get(key) {
        return refused(root, rule, value, path);
    }
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    let mut patterns = patterns.into_iter().flatten();
    if let Some((_, rule)) = patterns.find(|(pattern, _)| matches(pattern, key)) {
        return refused(root, rule, value, path);
    }
    match schema["additionalProperties"] == json!(true) {
        true => Vec::new(),
        false => vec![path.to_owned()],
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    }
}

/// Patterns are a beginning, or a set of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.strip_prefix('^').unwrap();
    match pattern.strip_prefix('[') {
        Some(set) => {
            assert_eq!(set, "0-9_.eE+ -]*$");
            text.chars()
                .all(|c| c.is_ascii_digit() || "_.eE+ -".contains(c))
        }
        None => text.starts_with(&pattern.replace("\\.", ".")),
    }
}

fn refusals(config: &Value) -> Vec<String> {
    static SCHEMA: LazyLock<Value> = LazyLock::new(schema);
    refused(&SCHEMA, &SCHEMA, config, "")
}

fn yaml(text: &str) -> Value {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    value.apply_merge().unwrap();
    serde_json::to_value(value).unwrap()
}

#[test]
fn it_takes_the_configurations_that_people_start_from() {
    for text in [
        include_str!("configs/content_policy.yaml"),
        include_str!("configs/context_window_groups.yaml"),
        include_str!("configs/context_window_same_group.yaml"),
        include_str!("configs/fallbacks.yaml"),
        include_str!("configs/load_balancing.yaml"),
        include_str!("configs/region.yaml"),
        include_str!("configs/timeouts.yaml"),
    ] {
        assert_eq!(refusals(&yaml(text)), [] as [&str; 0], "{text}");
    }
}

#[test]
fn it_takes_the_configurations_of_all_scenarios() {
    for line in include_str!("configs/scenarios.jsonl").lines() {
        let scenario: Value = serde_json::from_str(line).unwrap();
        assert_eq!(refusals(&scenario["config"]), [] as [&str; 0], "{scenario}");
        let text = serde_yaml::to_string(&scenario["config"]).unwrap();
        let loader = Loader::new(|_| None).without_environment();
        let config = loader.from_str(&text, "c.yaml");
        let config = config.unwrap_or_else(|errors| panic!("{errors}: {text}"));
        let unknown = common::shown(&config.findings, Severity::Warning);
        assert!(
            !unknown.iter().any(|it| it.contains("unknown setting")),
            "{unknown:?}"
        );
    }
}

#[test]
fn it_refuses_what_the_reader_refuses() {
    let of = |text: &str| refusals(&yaml(&format!("{}{text}", common::ONE)));
    let none: [&str; 0] = [];
    assert_eq!(of(""), none);
    for (text, path) in [
        ("router_setings: {}", ".router_setings"),
        (
            "router_settings: {num_retires: 1}",
            ".router_settings.num_retires",
        ),
        (
            "router_settings: {num_retries: -1}",
            ".router_settings.num_retries",
        ),
        (
            "router_settings: {num_retries: 1.5}",
            ".router_settings.num_retries",
        ),
        (
            "router_settings: {num_retries: many}",
            ".router_settings.num_retries",
        ),
        (
            "router_settings: {routing_strategy: fastest}",
            ".router_settings.routing_strategy",
        ),
        (
            "router_settings: {cooldown_failure_share: 2}",
            ".router_settings.cooldown_failure_share",
        ),
        (
            "router_settings: {retry_budget: {ttl: 61}}",
            ".router_settings.retry_budget",
        ),
        (
            "router_settings: {fallback_on: [weather]}",
            ".router_settings.fallback_on",
        ),
        (
            "router_settings: {fallbacks: [{a: [b], c: [d]}]}",
            ".router_settings.fallbacks[0]",
        ),
        (
            "router_settings: {fallbacks: [a]}",
            ".router_settings.fallbacks[0]",
        ),
        (
            "router_settings: {routing_groups: [{group_name: a}]}",
            ".router_settings.routing_groups[0]",
        ),
        (
            "litellm_settings: {drop_params: maybe}",
            ".litellm_settings.drop_params",
        ),
        (
            "general_settings: {compat_error_types: mine}",
            ".general_settings.compat_error_types",
        ),
        (
            "general_settings: {master_key: [k]}",
            ".general_settings.master_key",
        ),
        ("include: a.yaml", ".include"),
    ] {
        assert_eq!(of(text)[0], path, "{text}");
    }
    let deployment = |params: &str| {
        let text = format!("model_list: [{{model_name: a, litellm_params: {{{params}}}}}]");
        refusals(&yaml(&text))
    };
    let params = ".model_list[0].litellm_params";
    assert_eq!(deployment("model: a, tempature: 1"), none);
    assert_eq!(deployment("api_key: 5"), [params]);
    assert_eq!(
        deployment("model: a, timeout: abc"),
        [format!("{params}.timeout")]
    );
    assert_eq!(
        deployment("model: a, extra_headers: x"),
        [format!("{params}.extra_headers")]
    );
}

#[test]
fn it_takes_what_the_reader_takes() {
    for text in [
        "router_settings: {num_retries: '3', timeout: os.environ/T, allowed_model_region: [eu]}",
        "router_settings: {retry_budget: 0.2, routing_strategy: least-busy, redis_host: a}",
        "router_settings: {retry_budget: {ratio: 0.2}, model_group_alias: {x: a, y: {model: a}}}",
        "router_settings: {model_group_retry_policy: {a: {TimeoutErrorRetries: 1}}, fallback_on: server}",
        "litellm_settings: {drop_params: 'yes', default_fallbacks: [a, {model: b, timeout: 1}]}",
        "general_settings: {master_key: 1234, forward_client_headers_to_llm_api: [x-a]}",
        "environment_variables: {A: 1, B: true, C: x}\ninclude: []\nrouter_settings: ~",
    ] {
        let text = format!("{}{text}", common::ONE);
        assert_eq!(refusals(&yaml(&text)), [] as [&str; 0], "{text}");
        common::config(&text);
    }
}

/// A setting that the reader knows and never reads would have no type.
#[test]
fn every_active_setting_has_a_type() {
    let schema = schema();
    let properties = |path: &str| {
        schema.pointer(path).unwrap()["properties"]
            .as_object()
            .unwrap()
    };
    let params = "/properties/model_list/items/properties/litellm_params";
    let info = "/properties/model_list/items/properties/model_info";
    // For listings only.
    let passed_on = [
        "description",
        "litellm_provider",
        "max_output_tokens",
        "max_tokens",
        "metadata",
    ];
    let sections = [
        "/properties/router_settings",
        "/properties/litellm_settings",
        "/properties/general_settings",
    ];
    for path in sections.into_iter().chain([params, info]) {
        for (name, schema) in properties(path) {
            let is_typed = ["anyOf", "allOf", "$ref", "type"]
                .iter()
                .any(|word| schema.get(word).is_some());
            let is_idle = schema["description"] == "Not active yet.";
            let is_passed_on = path == info && passed_on.contains(&&**name);
            assert!(is_typed || is_idle || is_passed_on, "{path}: {name}");
        }
    }
}

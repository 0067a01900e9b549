//! References to environment variables.

mod common;

use common::{ONE, config, errors, load, shown};
use ziggurat_config::Severity;

fn two(params: &str) -> String {
    format!(
        "model_list:\n- model_name: a\n  litellm_params: {{{params}}}\n\
         - {{model_name: b, litellm_params: {{model: o1}}}}\n"
    )
}

#[test]
fn r5_references_are_resolved_at_any_depth() {
    let text = two(
        "model: os.environ/MODEL, api_key: os.environ/KEY, rpm: os.environ/RPM, \
         drop_params: os.environ/YES, foo: {bar: [os.environ/KEY, {x: os.environ/KEY}]}, \
         baz: see os.environ/KEY",
    );
    let env = [
        ("MODEL", "azure/x"),
        ("KEY", "k"),
        ("RPM", "12"),
        ("YES", "True"),
    ];
    let config = load(&text, &env).unwrap();
    let found = &config.deployments[0];
    assert_eq!((found.model.as_str(), found.rpm), ("x", Some(12.0)));
    assert_eq!(found.api_key.as_ref().unwrap().expose(), "k");
    assert_eq!(found.drop_params, Some(true));
    assert_eq!(
        found.defaults["foo"],
        serde_json::json!({"bar": ["k", {"x": "k"}]})
    );
    assert_eq!(found.defaults["baz"], "see os.environ/KEY");
}

#[test]
fn r6_unset_keys_addresses_and_models_leave_the_deployment_out() {
    for key in ["api_key", "api_base", "base_url", "model"] {
        let model = if key == "model" { "x: y" } else { "model: o1" };
        let config = config(&two(&format!("{model}, {key}: os.environ/NOPE")));
        assert_eq!(config.deployments.len(), 1, "{key}");
        let reason = config.left_out[0].reason();
        let column = if key == "model" { 33 } else { 33 + key.len() };
        assert_eq!(
            reason,
            format!(
                "c.yaml:3:{column}: model_list[0].litellm_params.{key}: \
                 environment variable `NOPE` is not set"
            )
        );
    }
    // Set to nothing is not set.
    let config = load(
        &two("model: o1, api_key: os.environ/EMPTY"),
        &[("EMPTY", "")],
    )
    .unwrap();
    assert_eq!(config.left_out.len(), 1);
}

#[test]
fn r6_other_unset_variables_are_a_warning_and_never_sent() {
    let text = two("model: o1, timeout: os.environ/T, user: os.environ/U, x: [os.environ/V]");
    let config = config(&format!("{text}router_settings: {{timeout: os.environ/W}}"));
    let found = &config.deployments[0];
    assert_eq!(found.timeout, None);
    assert_eq!(
        serde_json::json!(found.defaults),
        serde_json::json!({"x": [null]})
    );
    let warnings = shown(&config.findings, Severity::Warning);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert_eq!(
        warnings[0],
        "c.yaml:5:19: router_settings.timeout: environment variable `W` is not set"
    );
    assert!(warnings[1].contains("litellm_params.timeout: environment variable `T`"));
}

#[test]
fn r7_variables_of_the_file_come_first() {
    let text = two("model: o1, api_key: os.environ/A, rpm: os.environ/N, user: os.environ/SELF")
        + "environment_variables: {A: file, N: 5, FLAG: true, REF: os.environ/A, GONE: ~,
                                   SELF: os.environ/SELF, OUT: os.environ/OUTER}";
    let env = [
        ("A", "process"),
        ("SELF", "process"),
        ("OUTER", "outer"),
        ("B", "b"),
    ];
    let config = load(&text, &env).unwrap();
    let found = &config.deployments[0];
    assert_eq!(found.api_key.as_ref().unwrap().expose(), "file");
    assert_eq!(
        (found.rpm, &found.defaults["user"]),
        (Some(5.0), &"process".into())
    );
    let get = |name| config.env(name);
    assert_eq!(get("REF").as_deref(), Some("file"));
    assert_eq!(get("OUT").as_deref(), Some("outer"));
    assert_eq!(get("FLAG").as_deref(), Some("true"));
    assert_eq!(get("B").as_deref(), Some("b"));
    assert_eq!((get("GONE"), get("C")), (None, None));
    assert_eq!(
        errors(&format!("{ONE}environment_variables: {{A: [1]}}")),
        ["c.yaml:2:28: environment_variables.A: expected text, found a list"]
    );
}

#[test]
fn an_unset_master_key_does_not_open_the_door() {
    let text = format!("{ONE}general_settings: {{master_key: os.environ/KEY}}");
    assert_eq!(
        errors(&text),
        ["c.yaml:2:32: general_settings.master_key: environment variable `KEY` is not set"]
    );
    let config = load(&text, &[("LITELLM_MASTER_KEY", "m")]).unwrap();
    assert_eq!(config.general.master_key.unwrap().expose(), "m");
    let config = load(&text, &[("LITELLM_MASTER_KEY", "m"), ("KEY", "k")]).unwrap();
    assert_eq!(config.general.master_key.unwrap().expose(), "k");
}

#[test]
fn reads_a_file_with_the_environment_of_the_process() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/configs/fallbacks.yaml");
    let config = ziggurat_config::Config::from_path(path).unwrap();
    assert_eq!(config.deployments.len(), 5);
    assert!(
        config.deployments[0]
            .location
            .as_ref()
            .unwrap()
            .to_string()
            .starts_with(path)
    );
    let missing = ziggurat_config::Config::from_path("/no/such/file.yaml").unwrap_err();
    assert!(
        missing
            .to_string()
            .contains("/no/such/file.yaml: cannot be read: "),
        "{missing}"
    );
}

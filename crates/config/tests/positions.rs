//! Positions, and the corners of YAML.

mod common;

use common::{ONE, config, deployment, errors, refusal, shown};
use ziggurat_config::Severity;

#[test]
fn errors_stand_at_the_value() {
    let text = "# comment: with, [odd] 'marks'
model_list:
  - model_name: 'gränze' # ü
    litellm_params:
      model: \"gpt-4o\"
      rpm:   sixty
      timeout:
        - 1
      num_retries: >-
        many
    model_info: { max_input_tokens: ß }
  - {model_name: b, litellm_params: {model: o1}}
";
    let config = config(text);
    let at = |n: usize| {
        let location = config.left_out[0].problems[n].location.as_ref().unwrap();
        (location.line, location.column)
    };
    let paths = config.left_out[0]
        .problems
        .iter()
        .map(|p| p.path.rsplit('.').next().unwrap());
    let paths = paths.collect::<Vec<_>>();
    assert_eq!(paths, ["num_retries", "timeout", "rpm", "max_input_tokens"]);
    assert_eq!(
        [at(0), at(1), at(2), at(3)],
        [(10, 9), (8, 9), (6, 14), (11, 37)]
    );
    let entry = config.left_out[0].location.as_ref().unwrap();
    assert_eq!((entry.line, entry.column), (3, 5));
    assert_eq!(
        config.deployments[0].location.as_ref().unwrap().to_string(),
        "c.yaml:12:5"
    );
}

#[test]
fn columns_count_characters() {
    let reason = refusal("'größe': 1, \"model\": nobody/x");
    assert!(reason.starts_with("c.yaml:3:41: "), "{reason}");
}

#[test]
fn text_that_lost_its_indentation() {
    let lost = "stands beside its entry of `model_list`, not in it: is its indentation lost?";
    let text = "model_list:\n- model_name: a\nlitellm_params:\nmodel: o1\n- model_name: b\nlitellm_params:\nmodel: o1\n";
    let found = errors(text);
    assert!(
        found[0].starts_with("c.yaml:5:1: not readable as YAML"),
        "{found:?}"
    );
    assert_eq!(found[1..], [format!("c.yaml:3:1: litellm_params: {lost}")]);
    // One alone is YAML still.
    let one = "model_list:\n- model_name: a\nlitellm_params:\nmodel: o1\n";
    let errors = common::load(one, &[]).unwrap_err();
    assert_eq!(
        errors.left_out[0].reason(),
        "c.yaml:2:3: model_list[0]: has no `litellm_params`"
    );
    let inside = "is its indentation lost?";
    let hints = shown(&errors.findings, Severity::Warning);
    assert!(
        hints.len() == 2 && hints.iter().all(|hint| hint.ends_with(inside)),
        "{hints:?}"
    );
}

#[test]
fn text_that_is_no_yaml() {
    assert_eq!(
        errors("model_list:\n  - a: b: c\n"),
        [
            "c.yaml:2:9: not readable as YAML: a value cannot hold `: `; is a new line missing, or are quotes?"
        ]
    );
    for empty in ["", "# nothing\n", "---\n", "~"] {
        assert_eq!(errors(empty), ["c.yaml:1:1: the file is empty"], "{empty}");
    }
    let list = "c.yaml:1:1: expected a mapping of sections, found a list";
    assert_eq!(errors("- a\n"), [list]);
    let unreadable = |text: &str| {
        let [error] = &errors(text)[..] else {
            panic!("more than one error")
        };
        let (place, message) = error.split_once(": not readable as YAML: ").unwrap();
        (place.to_owned(), message.to_owned())
    };
    assert_eq!(unreadable("a: *nowhere").0, "c.yaml:1:4");
    assert_eq!(unreadable(&"[".repeat(10_000)).0, "c.yaml:2:1");
    assert_eq!(unreadable("a: &a [*a, a: &a [*a, x").0, "c.yaml:2:1");
    assert_eq!(unreadable("a: \u{1}b").0, "c.yaml:1:4");
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(
        unreadable(&deep),
        ("c.yaml:1:131".into(), "the values nest too deeply".into())
    );
    assert_eq!(
        unreadable("a: 1\n1: x\n0x1: y\n").1,
        "a key stands twice in one mapping"
    );
}

#[test]
fn a_file_is_one_document() {
    for more in ["---\nb: 2\n", "---\n", "--- [\n"] {
        assert_eq!(
            errors(&format!("{ONE}{more}")),
            ["c.yaml:2:1: a second document begins; a configuration is one"]
        );
    }
    assert_eq!(config(&format!("---\n{ONE}...\n# end\n")).findings, []);
}

#[test]
fn duplicate_keys_are_errors_at_the_second_one() {
    let text = "model_list:
- model_name: a
  litellm_params:
    model: o1
    rpm: 1
    model: gpt-4o
    'rpm': 2
router_settings: {timeout: 1, timeout: 2}
router_settings: {}
";
    let twice = "the key stands here twice, first on line";
    assert_eq!(
        errors(text),
        [
            format!("c.yaml:6:5: model_list[0].litellm_params.model: {twice} 4"),
            format!("c.yaml:7:5: model_list[0].litellm_params.rpm: {twice} 5"),
            format!("c.yaml:8:31: router_settings.timeout: {twice} 8"),
            format!("c.yaml:9:1: router_settings: {twice} 8"),
        ]
    );
}

#[test]
fn merge_keys() {
    let text = "x-base: &base
  model: openai/one
  rpm: 5
  timeout: abc
x-more: &more {tpm: 9, rpm: 100}
model_list:
- model_name: a
  litellm_params: {<<: [*base, *more], timeout: 3}
- model_name: b
  litellm_params:
    <<: *base
    model: openai/two
- model_name: c
  litellm_params: *more
";
    let config = config(text);
    let found = &config.deployments[0];
    assert_eq!(
        (found.model.as_str(), found.rpm, found.tpm),
        ("one", Some(5.0), Some(9.0))
    );
    assert_eq!(found.timeout.unwrap().as_secs(), 3);
    assert_eq!(config.deployments.len(), 1);
    let reasons = config
        .left_out
        .iter()
        .map(|left_out| left_out.reason())
        .collect::<Vec<_>>();
    assert_eq!(
        reasons,
        [
            // The merged value stands in the mapping that it comes from.
            "c.yaml:4:12: model_list[1].litellm_params.timeout: expected a number, found text",
            // Nothing to point at: the nearest mapping around it.
            "c.yaml:5:15: model_list[2].litellm_params.model: every deployment needs a model",
        ]
    );
    let warnings = shown(&config.findings, Severity::Warning);
    assert_eq!(warnings[0], "c.yaml:1:1: x-base: unknown setting");
}

#[test]
fn merge_keys_merge_mappings_only() {
    let message = "only a mapping, or a list of mappings, can be merged";
    for bad in ["5", "[{a: 1}, 5]", "~"] {
        assert_eq!(
            errors(&format!("router_settings: {{<<: {bad}}}\n{ONE}")),
            [format!("c.yaml:1:19: router_settings.<<: {message}")]
        );
    }
}

#[test]
fn booleans_of_yaml_1_1() {
    for (word, expected) in [
        ("yes", true),
        ("On", true),
        ("TRUE", true),
        ("true", true),
        ("'yes'", true),
        ("no", false),
        ("OFF", false),
        ("False", false),
        ("'false'", false),
    ] {
        let found = deployment(&format!("model: o1, drop_params: {word}"));
        assert_eq!(found.drop_params, Some(expected), "{word}");
    }
    assert_eq!(deployment("drop_params: , model: o1").drop_params, None);
    for bad in ["1", "maybe", "y", "oN", "[yes]"] {
        let reason = refusal(&format!("model: o1, drop_params: {bad}"));
        assert!(reason.contains("expected true or false"), "{bad}: {reason}");
    }
    // Where text is expected, they stay text.
    assert_eq!(deployment("model: o1, region_name: no").region_name, ["no"]);
}

#[test]
fn a_mark_of_the_byte_order_and_line_ends_of_windows() {
    let text = format!("\u{feff}{ONE}router_settings:\n  timeout: x\n").replace('\n', "\r\n");
    assert_eq!(
        errors(&text),
        ["c.yaml:3:12: router_settings.timeout: expected a number, found text"]
    );
}

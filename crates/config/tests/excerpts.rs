//! Lines that are shown, and what they keep back.

mod common;

use common::load;
use ziggurat_config::{Loader, lines};

/// The lines of all that is said about a text, each with a mark in front of its place.
fn shown(text: &str) -> Vec<String> {
    let loader = Loader::new(|_| None);
    let inspection = loader.inspect_str(text, "c.yaml");
    let config = inspection.config.as_ref();
    let left_out = config.iter().flat_map(|config| &config.left_out);
    let findings = inspection
        .errors
        .iter()
        .chain(left_out.flat_map(|one| &one.problems))
        .chain(config.iter().flat_map(|config| &config.findings));
    findings
        .filter_map(|finding| {
            let excerpt = finding.excerpt(&lines(text))?;
            let head: String = excerpt.line.chars().take(excerpt.caret).collect();
            let tail: String = excerpt.line.chars().skip(excerpt.caret).collect();
            Some(format!("{head}^{tail}"))
        })
        .collect()
}

#[test]
fn lines_end_as_in_yaml() {
    let expected = ["a:", "  b: 1", "", "c: 2", ""];
    for end in ["\n", "\r\n", "\r"] {
        assert_eq!(lines(&expected.join(end)), expected);
    }
    assert_eq!(lines("\u{feff}a:\r\r\n"), ["a:", "", ""]);
    let text = "model_list:\r- {model_name: a, litellm_params: {model: openai/x, rpm: x}}";
    assert_eq!(
        shown(text)[1],
        "- {model_name: a, litellm_params: {model: openai/x, rpm: ^x}}"
    );
}

fn deployment(lines: &str) -> String {
    format!(
        "model_list:\n- model_name: a\n  litellm_params:\n    model: gpt-4o # sk-old\n{lines}\
         - {{model_name: b, litellm_params: {{model: o1}}}}\n"
    )
}

#[test]
fn what_is_harmless_is_shown() {
    let text = deployment("    rpm: sixty\n") + "router_settings: {num_retires: 3}\n";
    assert_eq!(
        shown(&text),
        ["    rpm: ^sixty", "router_settings: {^num_retires: 3}"]
    );
    let text = deployment("") + "litellm_settings:\n  fallbacks:\n  - a: [b,\n      gpt-9]\n";
    assert_eq!(shown(&text), ["      ^gpt-9]"]);
    let text = deployment("") + "router_settings:\n  fallback_on: [server, weather]\n";
    assert_eq!(shown(&text), ["  fallback_on: [server, ^weather]"]);
    let text = deployment("    timeout: os.environ/T # sk-old\n");
    assert_eq!(shown(&text), ["    ^timeout: os.environ/T"]);
    let text = deployment("    api_base: ftp://host/v1\n");
    assert_eq!(shown(&text), ["    api_base: ^ftp://host/v1"]);
}

#[test]
fn what_may_be_a_key_is_not() {
    for line in [
        "    api_key: [sk-1]\n",
        "    api_kye: sk-1\n",
        "    api_kye: 1234567\n",
        "    \"api_kye\": 'sk-1'\n",
        "    'api_kye' : \"sk-1, # x\" # sk-1\n",
        "    api_base: ftp://user:sk-1@host/?key=sk-1\n",
        "    rpm: x, api_key: sk-1\n",
        "    extra_headers: {\"x y\": sk-1, model: sk-1}\n",
        "    extra_headers:\n      x y: sk-1\n",
        "    tempature: {model: sk-1}\n",
        "    rpm: [x, {api_key: sk-1, foo: [sk-1]}]\n",
        "    extra_body: [sk-1]\n",
        "    vertex_credentials: !x sk-1\n",
    ] {
        let shown = shown(&deployment(line));
        assert!(!shown.is_empty(), "{line}");
        for shown in shown {
            let is_hidden = !shown.contains("sk-1") && !shown.contains("1234567");
            assert!(is_hidden, "{line}: {shown}");
        }
    }
    let flow = "{model_list: [{model_name: a, litellm_params: {model: gpt-4o, api_kye: sk-1}}], \
                router_settings: {fallbacks: [{a: [nowhere]}]}}";
    let shown = shown(flow);
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown.iter().all(|line| !line.contains("sk-1")), "{shown:?}");
    assert!(
        shown.iter().any(|line| line.contains("^nowhere")),
        "{shown:?}"
    );
}

#[test]
fn text_that_is_no_yaml_is_not_shown_either() {
    for text in [
        "model_list:\n- api_key: \"sk-1\n  x: y\n",
        "a: b: sk-1\n",
        "a: |\n  x\n sk-1\n",
        "model_list: [{api_key: sk-1, api_key: sk-1}]\n",
        "- sk-1\n",
    ] {
        for shown in shown(text) {
            assert!(!shown.contains("sk-1"), "{text}: {shown}");
        }
    }
}

#[test]
fn a_place_without_a_line_shows_nothing() {
    let errors = load("", &[]).unwrap_err().errors;
    assert_eq!(errors[0].excerpt(&[]), None);
    let missing = Loader::new(|_| None).inspect("/no/such/file.yaml").errors;
    assert_eq!(missing[0].excerpt(&["x"]), None);
}

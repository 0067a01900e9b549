//! What is said at the start.

use ziggurat::Gateway;

use crate::support::config;

fn table(yaml: &str) -> Vec<String> {
    let gateway = Gateway::new(&config(yaml, &[])).unwrap();
    let text = gateway.summary().to_string();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_routing_is_a_table_in_aligned_columns() {
    let lines = table(
        "
model_list:
- {model_name: zephyr, litellm_params: {model: openai/z, api_base: 'http://h:1/v1', rpm: 60, api_key: k}, model_info: {id: one}}
- {model_name: zephyr, litellm_params: {model: openai/z, api_base: 'http://other:2', rpm: 180, tpm: 9000, api_key: k}, model_info: {id: a-much-longer-name}}
- {model_name: gpt, litellm_params: {model: gpt-4o, api_key: k, max_parallel_requests: 4, order: 1}, model_info: {id: two}}
- {model_name: closed, litellm_params: {model: gpt-4o, api_key: k}, model_info: {id: three, blocked: true}}
litellm_settings: {fallbacks: [{zephyr: [gpt]}], context_window_fallbacks: [{zephyr: [gpt]}]}
router_settings: {model_group_alias: {z: zephyr}}",
    );
    let expected = [
        "  GROUP   DEPLOYMENT                  WEIGHT      LIMITS               ID            FALLBACKS",
        "  zephyr  openai/z @ http://h:1/v1    60 (25 %)   60 rpm               one           gpt; too long: gpt",
        "          openai/z @ http://other:2   180 (75 %)  180 rpm, 9000 tpm    a-much-longe",
        "  gpt     gpt-4o                      1           order 1, 4 parallel  two",
        "  z = zephyr",
    ];
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    for (line, expected) in lines.iter().zip(expected) {
        assert_eq!(squeezed(line), squeezed(expected));
        assert_eq!(line.trim_end(), line);
    }
    for column in ["WEIGHT", "LIMITS", "ID "] {
        let at = lines[0].find(column).unwrap();
        for line in &lines[1..4] {
            assert_eq!(&line[at - 2..at], "  ", "{column}: {line}");
            assert_ne!(&line[at..=at], " ", "{column}: {line}");
        }
    }
}

#[test]
fn what_says_nothing_has_no_column() {
    let lines = table(
        "
model_list:
- {model_name: a, litellm_params: {model: gpt-4o, api_key: k}}
- {model_name: a, litellm_params: {model: gpt-4o, api_key: l}}
router_settings: {routing_strategy: least-busy}",
    );
    assert!(!lines[0].contains("LIMITS") && !lines[0].contains("FALLBACKS"));
    assert!(lines[1].contains(" least-busy "), "{}", lines[1]);
}

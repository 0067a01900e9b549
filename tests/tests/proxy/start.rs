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
- {model_name: zephyr, litellm_params: {model: openai/z, api_base: 'http://h:1/v1', rpm: 60, api_key: sk-canary}, model_info: {id: one}}
- {model_name: zephyr, litellm_params: {model: openai/z, api_base: 'http://other:2', rpm: 180, tpm: 9000, api_key: sk-canary}, model_info: {id: a-much-longer-name}}
- {model_name: gpt, litellm_params: {model: gpt-4o, api_key: sk-canary, max_parallel_requests: 4, order: 1}, model_info: {id: two}}
- {model_name: closed, litellm_params: {model: gpt-4o, api_key: sk-canary}, model_info: {id: three, blocked: true}}
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
- {model_name: a, litellm_params: {model: gpt-4o, api_key: sk-canary}}
- {model_name: a, litellm_params: {model: gpt-4o, api_key: l}}
router_settings: {routing_strategy: least-busy}",
    );
    assert!(!lines[0].contains("LIMITS") && !lines[0].contains("FALLBACKS"));
    assert!(lines[1].contains(" least-busy "), "{}", lines[1]);
}

/// R40: the share that it really gets.
#[test]
fn r40_who_has_no_weight_takes_the_mean() {
    let lines = table(
        "
model_list:
- {model_name: a, litellm_params: {model: openai/x, api_key: sk-canary, rpm: 6}}
- {model_name: a, litellm_params: {model: openai/y, api_key: sk-canary, rpm: 1440}}
- {model_name: a, litellm_params: {model: openai/z, api_key: sk-canary}}",
    );
    for (line, weight) in lines[1..]
        .iter()
        .zip(["6 (0 %)", "1440 (66 %)", "mean (33 %)"])
    {
        assert!(line.contains(&format!("  {weight}  ")), "{line}");
    }
}

#[test]
fn who_is_left_out_is_named_once() {
    let faulty =
        |n: usize| format!("- {{model_name: g{n}, litellm_params: {{model: gpt-4o, rpm: x}}}}");
    let list: Vec<_> = (1..=10).flat_map(|n| [faulty(n), faulty(n)]).collect();
    let yaml = format!(
        "model_list:\n- {{model_name: a, litellm_params: {{model: gpt-4o, api_key: sk-canary}}}}\n{}",
        list.join("\n")
    );
    let lines = table(&yaml);
    let last = "  left out: g1, g2, g3, g4, g5, g6, g7, g8, and 2 more (20 in all)";
    assert_eq!(lines[2..], [last.to_owned()]);
}

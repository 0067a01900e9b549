//! What is said about settings that are right each for itself.

mod common;

use common::{config, shown};
use ziggurat_config::Severity;

const MODELS: &str = "
model_list:
- {model_name: small, litellm_params: {model: gpt-3.5-turbo}}
- {model_name: large, litellm_params: {model: gpt-4o}}
- {model_name: old, litellm_params: {model: gpt-4}}
- {model_name: mine, litellm_params: {model: openai/mine, api_base: 'http://a'}}
";

fn said(text: &str, severity: Severity) -> Vec<String> {
    let config = config(text);
    assert_eq!(
        shown(&config.findings, Severity::Warning),
        [] as [&str; 0],
        "{text}"
    );
    let mut said = shown(&config.meaning(), severity);
    for line in &mut said {
        *line = line.replace("c.yaml:", "");
    }
    said
}

/// The warnings about the models with these settings.
fn warnings(settings: &str) -> Vec<String> {
    said(&format!("{MODELS}{settings}"), Severity::Warning)
}

/// The same where a group has this parameter.
fn warnings_of(param: &str, settings: &str) -> Vec<String> {
    let models = MODELS.replace("gpt-4o", &format!("gpt-4o, {param}"));
    said(&format!("{models}{settings}"), Severity::Warning)
}

fn notes(settings: &str) -> Vec<String> {
    said(
        &format!("{MODELS}general_settings: {{master_key: sk-1}}\n{settings}"),
        Severity::Note,
    )
}

const NONE: [&str; 0] = [];

#[test]
fn chains_that_lead_back() {
    let ends = "no group is asked twice for one request, so the chain ends there";
    let path = "router_settings.fallbacks";
    assert_eq!(
        warnings("router_settings: {fallbacks: [{mine: [mine]}]}"),
        [format!(
            "7:39: {path}[0].mine[0]: leads back: `mine` -> `mine`; {ends}"
        )]
    );
    let around = "router_settings:
  fallbacks:
  - mine: [small]
  - small: [large, mine]
  - large: [mine]
";
    assert_eq!(
        warnings(around),
        [format!(
            "9:12: {path}[0].mine[0]: leads back: `mine` -> `small` -> `mine`; {ends}"
        )]
    );
    // A chain without a way back, and one that asks something else.
    assert_eq!(
        warnings("router_settings: {fallbacks: [{mine: [small]}, {small: [large]}]}"),
        NONE
    );
    assert_eq!(
        warnings("router_settings: {fallbacks: [{mine: [{model: mine, temperature: 0}]}]}"),
        NONE
    );
}

#[test]
fn stand_ins_that_take_less() {
    let path = "litellm_settings.fallbacks[0].large[0]";
    assert_eq!(
        warnings("litellm_settings: {fallbacks: [{large: [small]}]}"),
        [
            format!(
                "7:41: {path}: `small` takes prompts of 16385 tokens, `large` of 128000: not all \
                 that fit there fit here"
            ),
            format!("7:41: {path}: `small` takes no images, `large` does"),
        ]
    );
    assert_eq!(
        warnings("litellm_settings: {fallbacks: [{small: [large]}]}"),
        NONE
    );
    // Of a model of one's own, nothing is known but what is said.
    assert_eq!(
        warnings("litellm_settings: {fallbacks: [{large: [mine]}]}"),
        NONE
    );
    let own = MODELS.replace(
        "'http://a'}",
        "'http://a'}, model_info: {max_input_tokens: 4096, supports_function_calling: false}",
    );
    assert_eq!(
        said(
            &format!("{own}litellm_settings: {{fallbacks: [{{large: [mine]}}]}}"),
            Severity::Warning
        ),
        [
            format!(
                "7:41: {path}: `mine` takes prompts of 4096 tokens, `large` of 128000: not all \
                 that fit there fit here"
            ),
            format!("7:41: {path}: `mine` takes no tools, `large` does"),
        ]
    );
}

#[test]
fn stand_ins_for_long_prompts_that_take_no_longer_ones() {
    let path = "router_settings.context_window_fallbacks[0].old[0]";
    assert_eq!(
        warnings("router_settings: {context_window_fallbacks: [{old: [old]}]}"),
        [
            format!(
                "7:53: {path}: leads back: `old` -> `old`; no group is asked twice for one request, so the chain ends there"
            ),
            format!("7:53: {path}: `old` takes no longer prompts than `old`"),
        ]
    );
    assert_eq!(
        warnings("router_settings: {context_window_fallbacks: [{old: [large]}]}"),
        NONE
    );
}

#[test]
fn chains_for_no_group() {
    let no = "no usable deployment is named `gone`";
    assert_eq!(
        warnings("router_settings: {fallbacks: [{gone: [old]}, {'*': [old]}]}"),
        [format!(
            "7:32: router_settings.fallbacks[0].gone: {no}: requests for it go to the chain at once"
        )]
    );
    assert_eq!(
        warnings("router_settings: {content_policy_fallbacks: [{gone: [old]}]}"),
        [format!(
            "7:47: router_settings.content_policy_fallbacks[0].gone: has no effect: {no}"
        )]
    );
}

#[test]
fn attempts_above_the_total() {
    let above = |limit: &str| {
        format!(
            "an attempt may take {limit} s, but `router_settings.total_timeout` ends the whole request after 10 s"
        )
    };
    let total = "router_settings: {total_timeout: 10}";
    assert_eq!(
        warnings_of("timeout: 10.5", total),
        [format!(
            "4:55: model_list[1].litellm_params.timeout: {}",
            above("10.5")
        )]
    );
    assert_eq!(warnings_of("timeout: 10", total), NONE);
    // The default of 6000 s is nobody's mistake.
    assert_eq!(warnings(total), NONE);
    let all = "router_settings: {total_timeout: 10, stream_timeout: 20,
  fallbacks: [{small: [{model: large, timeout: 30}]}]}
litellm_settings: {request_timeout: 40}";
    assert_eq!(
        warnings(all),
        [
            format!("9:20: litellm_settings.request_timeout: {}", above("40")),
            format!("7:38: router_settings.stream_timeout: {}", above("20")),
            format!(
                "8:39: router_settings.fallbacks[0].small[0].timeout: {}",
                above("30")
            ),
        ]
    );
}

#[test]
fn the_attempt_that_is_too_long_is_the_one_that_counts() {
    let text = "router_settings: {request_timeout: 9, timeout: 8, total_timeout: 5}
litellm_settings: {request_timeout: 7}";
    let text = format!("{MODELS}{text}");
    let found: Vec<_> = shown(&config(&text).meaning(), Severity::Warning);
    let about: Vec<_> = found
        .iter()
        .filter(|it| it.contains("ends the whole"))
        .collect();
    let message = "an attempt may take 7 s, but `router_settings.total_timeout` ends the whole request after 5 s";
    assert_eq!(
        about,
        [&format!(
            "c.yaml:8:20: litellm_settings.request_timeout: {message}"
        )]
    );
}

#[test]
fn one_timeout_wins_over_another() {
    let both = "router_settings: {timeout: 9}\nlitellm_settings: {request_timeout: 4}";
    let path = "7:19: router_settings.timeout";
    assert_eq!(
        warnings(both),
        [format!(
            "{path}: has no effect: `litellm_settings.request_timeout` (4 s) wins"
        )]
    );
    assert_eq!(warnings(&both.replace('4', "9")), NONE);
}

#[test]
fn silences_that_are_ordinary() {
    let ends = |limit: &str| {
        format!(
            "ends a stream that is silent for {limit} s, as any stream may be between two chunks"
        )
    };
    assert_eq!(
        warnings_of("stream_timeout: 0.5", ""),
        [format!(
            "4:55: model_list[1].litellm_params.stream_timeout: {}",
            ends("0.5")
        )]
    );
    assert_eq!(
        warnings_of("stream_timeout: 0.5, stream_idle_timeout: 1", ""),
        NONE
    );
    assert_eq!(
        warnings_of(
            "stream_timeout: 0.5",
            "router_settings: {stream_idle_timeout: 1}"
        ),
        NONE
    );
    assert_eq!(
        warnings("litellm_settings: {stream_idle_timeout: 0.2}"),
        [format!(
            "7:20: litellm_settings.stream_idle_timeout: {}",
            ends("0.2")
        )]
    );
}

#[test]
fn allowed_fails_that_cannot_act() {
    let alone = "the only deployment of a group without fallbacks never cools down";
    assert_eq!(
        warnings_of("allowed_fails: 2", ""),
        [format!(
            "4:55: model_list[1].litellm_params.allowed_fails: has no effect: {alone}"
        )]
    );
    let chain = "router_settings: {fallbacks: [{large: [mine]}]}";
    assert_eq!(warnings_of("allowed_fails: 2", chain), NONE);
    assert_eq!(
        warnings_of("allowed_fails: 2, cooldown_time: 0", chain),
        [
            "4:55: model_list[1].litellm_params.allowed_fails: has no effect: the deployment never cools down (`cooldown_time: 0`)"
        ]
    );
    assert_eq!(
        warnings("litellm_settings: {allowed_fails: 2}"),
        [format!(
            "7:20: litellm_settings.allowed_fails: has no effect: {alone}"
        )]
    );
    assert_eq!(
        warnings("router_settings: {allowed_fails: 2, disable_cooldowns: true}"),
        [
            "7:19: router_settings.allowed_fails: has no effect: cooldowns are disabled (`router_settings.disable_cooldowns`)"
        ]
    );
    assert_eq!(
        warnings("router_settings: {allowed_fails: 2, fallbacks: [{small: [mine]}]}"),
        NONE
    );
    let two = MODELS.replace("model_name: small", "model_name: large");
    let text = format!("{two}router_settings: {{allowed_fails: 2}}");
    assert_eq!(said(&text, Severity::Warning), NONE);
}

#[test]
fn settings_that_mean_something_else() {
    assert_eq!(notes(""), NONE);
    let text =
        "litellm_settings: {allowed_fails: 1, cooldown_time: 1, stream_timeout: 4, num_retries: 0}";
    assert_eq!(
        notes(text),
        [
            "8:56: litellm_settings.stream_timeout: acts as in `router_settings`; LiteLLM ignores it here (R29c)",
            "8:20: litellm_settings.allowed_fails: acts as in `router_settings`; LiteLLM ignores it here (R29f)",
            "8:38: litellm_settings.cooldown_time: acts as in `router_settings`; LiteLLM ignores it here (R29g)",
        ]
    );
    assert_eq!(
        notes("router_settings: {enable_pre_call_checks: false, num_retries: 0}"),
        NONE
    );
    let rule = |text: &str| {
        let notes = notes(text);
        let (_, rule) = notes[0].rsplit_once(" (").unwrap();
        rule.trim_end_matches(')').to_owned()
    };
    assert_eq!(rule("router_settings: {max_fallbacks: 2}"), "R80");
    assert_eq!(
        rule("router_settings: {routing_strategy: least-busy}"),
        "R42"
    );
    assert_eq!(
        rule("router_settings: {routing_strategy: latency-based-routing}"),
        "R43"
    );
    assert_eq!(
        rule("router_settings: {routing_strategy: usage-based-routing}"),
        "R46"
    );
    assert_eq!(rule("environment_variables: {X: y}"), "R7");
}

#[test]
fn parameters_that_mean_something_else() {
    let rules = |params: &str| {
        let models = MODELS.replace("gpt-4o", &format!("gpt-4o, {params}"));
        let text = format!("{models}general_settings: {{master_key: sk-1}}");
        let notes = said(&text, Severity::Note);
        let rule = |note: &String| {
            let (rest, rule) = note.rsplit_once(" (").unwrap();
            assert!(
                rest.starts_with("4:55: model_list[1].litellm_params."),
                "{note}"
            );
            rule.trim_end_matches(')').to_owned()
        };
        notes.iter().map(rule).collect::<Vec<_>>()
    };
    assert_eq!(rules("max_retries: 5"), ["R15"]);
    assert_eq!(rules("timeout: 5"), ["R99"]);
    assert_eq!(rules("order: 1"), ["R49"]);
    assert_eq!(rules("rpm: 6"), ["R51"]);
    assert_eq!(rules("base_model: gpt-4"), ["R140"]);
    assert_eq!(rules("region_name: eu"), ["R150", "R156"]);
    assert_eq!(rules("temperature: 0"), NONE);
    let two = MODELS.replace("model_name: small", "model_name: large");
    let two = two.replace("gpt-4o", "gpt-4o, weight: 1");
    assert_eq!(
        said(
            &format!("{two}general_settings: {{master_key: sk-1}}"),
            Severity::Note
        ),
        [
            "4:55: model_list[1].litellm_params.weight: a deployment of the group without `weight` takes the mean of the others; in LiteLLM it gets no request (R40)"
        ]
    );
    let more = MODELS
        .replace("gpt-4", "gpt-4, timeout: 1")
        .replace("turbo", "turbo, timeout: 1");
    let more = more.replace("gpt-4, timeout: 1o", "gpt-4o");
    let notes = said(
        &format!("{more}general_settings: {{master_key: sk-1}}"),
        Severity::Note,
    );
    assert_eq!(notes.len(), 1);
    assert!(notes[0].ends_with("; so for 1 more (R99)"), "{notes:?}");
}

#[test]
fn the_same_entry_twice_and_no_key() {
    let twice = "model_list:
- {model_name: a, litellm_params: {model: o1}}
- {model_name: a, litellm_params: {model: o1}}
";
    let config = config(twice);
    assert_eq!(
        shown(&config.findings, Severity::Note),
        [
            "c.yaml:3:3: model_list[1]: is the same as model_list[0]; it counts as another deployment, whose id ends in -2 (R24)"
        ]
    );
    assert_eq!(
        shown(&config.meaning(), Severity::Note),
        ["c.yaml:1:1: general_settings.master_key: is not set: every caller is served (R2)"]
    );
}

#[test]
fn streams_go_on_with_others_only() {
    let recovery = "router_settings: {stream_recovery: restart";
    let [line] = &warnings(&format!("{recovery}}}"))[..] else {
        panic!("it is said once");
    };
    assert!(
        line.starts_with("7:19: router_settings.stream_recovery: `restart` asks the other"),
        "{line}"
    );
    for settings in [
        format!("{recovery}, fallbacks: [{{small: [mine]}}]}}"),
        format!("{recovery}, default_fallbacks: [mine]}}"),
        "router_settings: {stream_recovery: off}".to_owned(),
    ] {
        assert_eq!(warnings(&settings), NONE, "{settings}");
    }
    let two = MODELS.replace("large", "small");
    assert_eq!(said(&format!("{two}{recovery}}}"), Severity::Warning), NONE);
    let notes = said(&format!("{two}{recovery}}}"), Severity::Note);
    let note =
        "7:19: router_settings.stream_recovery: acts on those streams of `/v1/responses` that have";
    assert!(notes.iter().any(|it| it.starts_with(note)), "{notes:?}");
}

#[test]
fn streams_go_on_from_what_was_said_with_who_takes_it_only() {
    let go_on = "router_settings: {stream_recovery: continue, fallbacks: [{small: [mine]}]}";
    let [said_of_it] = &warnings(go_on)[..] else {
        panic!("it is said once");
    };
    assert!(
        said_of_it.ends_with("`continue` is the same as `restart`"),
        "{said_of_it}"
    );
    let takes = "model_info: {supports_assistant_prefill: true}}";
    let models = MODELS.replace("'http://a'}}", &format!("'http://a'}}, {takes}"));
    assert_ne!(models, MODELS);
    assert_eq!(said(&format!("{models}{go_on}"), Severity::Warning), NONE);
    // A group of two that take it, without a fallback.
    let alone = "router_settings: {stream_recovery: continue}";
    let mine = "- {model_name: mine, litellm_params: {model: openai/mine, api_base: 'http://b'}";
    let twice = format!("{models}{mine}, {takes}\n{alone}");
    assert_eq!(said(&twice, Severity::Warning), NONE);
}

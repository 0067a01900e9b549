//! Rules about `model_list`.

mod common;

use std::time::Duration;

use common::{but_overruled, config, deployment, errors, load, refusal, shown, with_settings};
use ziggurat_config::{Loader, Severity};
use ziggurat_models::Provider;

const URL: &str = "https://h.example";

#[test]
fn r12_r16_numbers_may_be_text() {
    let found = deployment("model: gpt-4o, rpm: '5', tpm: 100_000, weight: 0.5, num_retries: '4'");
    assert_eq!((found.rpm, found.tpm), (Some(5.0), Some(100_000.0)));
    assert_eq!((found.weight, found.num_retries), (Some(0.5), Some(4)));
    let text = "model_list: [{model_name: a, rpm: 7, tpm: 8, litellm_params: {model: o1, tpm: 9}}]";
    let found = &config(text).deployments[0];
    assert_eq!(
        (found.rpm, found.tpm),
        (Some(7.0), Some(9.0)),
        "also beside litellm_params"
    );
}

#[test]
fn r10_a_faulty_deployment_is_left_out_with_all_its_mistakes() {
    let reason = refusal("model: nobody/x, rpm: abc, num_retries: 1.5, api_base: 'ftp://x'");
    for part in [
        "model_list[0].litellm_params.model: no known provider serves `nobody/x`",
        "model_list[0].litellm_params.rpm: expected a number, found text",
        "model_list[0].litellm_params.num_retries: expected a whole number",
        "model_list[0].litellm_params.api_base: expected an http:// or https:// address",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn api_base_is_an_address() {
    for bad in [
        "<your-endpoint>",
        "h.example",
        "https://",
        "https://a b",
        "file:///x",
        "http://:80",
    ] {
        assert!(
            refusal(&format!("model: gpt-4o, api_base: '{bad}'")).contains("address"),
            "{bad}"
        );
    }
    for good in [
        "http://0.0.0.0:8001",
        "HTTPS://h.example/v1?x=1",
        "http://[::1]:1/",
    ] {
        let found = deployment(&format!("model: gpt-4o, api_base: '{good}'"));
        assert_eq!(found.api_base.as_deref(), Some(good));
    }
    let found = deployment(&format!("model: gpt-4o, base_url: '{URL}'"));
    assert_eq!(
        found.api_base.as_deref(),
        Some(URL),
        "another name for api_base"
    );
}

#[test]
fn r14_r97_timeouts() {
    let found = deployment("model: o1, timeout: '2.5', stream_timeout: 0, request_timeout: ''");
    assert_eq!(found.timeout, Some(Duration::from_millis(2500)));
    assert_eq!((found.stream_timeout, found.request_timeout), (None, None));
    for bad in ["abc", "-1", ".inf", ".nan", "1e300", "true", "[1]", "nan"] {
        let reason = refusal(&format!("model: o1, timeout: {bad}"));
        assert!(
            reason.contains("litellm_params.timeout: "),
            "{bad}: {reason}"
        );
    }
}

#[test]
fn r15_max_retries_stands_in_for_num_retries() {
    assert_eq!(deployment("model: o1, max_retries: 5").num_retries, Some(5));
    assert_eq!(
        deployment("model: o1, max_retries: 5, num_retries: 0").num_retries,
        Some(0)
    );
    assert_eq!(deployment("model: o1").num_retries, None);
}

#[test]
fn r17_zero_cooldown_is_kept_and_model_info_wins() {
    let found = deployment("model: o1, cooldown_time: 0");
    assert_eq!(found.cooldown_time, Some(Duration::ZERO));
    let text = "model_list: [{model_name: a, model_info: {cooldown_time: 2}, \
                litellm_params: {model: o1, cooldown_time: 9}}]";
    assert_eq!(
        config(text).deployments[0].cooldown_time,
        Some(Duration::from_secs(2))
    );
}

#[test]
fn r22_other_parameters_are_defaults_of_the_body() {
    let found = deployment(
        "model: o1, temperature: 0.15, n: 3, foo: {bar: [1, ~, x]}, seed: -2, user: ~, \
         parallel_tool_calls: no, stop: 'no', extra_body: {top_k: 5}, aws_region_name: eu, \
         timeout: 1, mock_response: hi, tags: [t]",
    );
    let expected = serde_json::json!({
        "temperature": 0.15, "n": 3, "foo": {"bar": [1, null, "x"]}, "seed": -2,
        "parallel_tool_calls": false, "stop": "no", "top_k": 5,
    });
    assert_eq!(serde_json::Value::from(found.defaults), expected);
    assert_eq!(found.provider_params.text("aws_region_name"), Some("eu"));
    assert_eq!(found.tags, ["t"]);
    assert!(refusal("model: o1, temperature: .nan").contains("finite"));
    assert!(refusal("model: o1, temperature: !x 1").contains("tags have no meaning"));
}

#[test]
fn headers() {
    let found = deployment("model: o1, headers: {X-A: '1', x-b: 2}, extra_headers: {x-a: three}");
    let expected = [("x-b", "2"), ("x-a", "three")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found.extra_headers, expected);
    assert!(refusal("model: o1, extra_headers: {'a b': c}").contains("not the name"));
    let reason = refusal("model: o1, extra_headers: {a: \"sk\\n1\"}");
    assert!(
        reason.contains("no HTTP header can carry") && !reason.contains("sk"),
        "{reason}"
    );
}

#[test]
fn model_info() {
    let text = "model_list: [{model_name: a, litellm_params: {model: azure/x, base_model: p}, \
                model_info: {base_model: azure/gpt-4, max_input_tokens: 100, mode: chat, \
                blocked: on, supports_vision: true, supports_tool_choice: 'no'}}]";
    let config = config(text);
    let found = &config.deployments[0];
    assert_eq!(found.base_model.as_deref(), Some("azure/gpt-4")); // R25
    assert_eq!(
        (found.max_input_tokens, found.mode.as_deref()),
        (Some(100), Some("chat"))
    ); // R26
    assert!(found.blocked); // R28
    assert_eq!(found.model_info["supports_vision"], true);
    assert_eq!(found.model_info["supports_tool_choice"], false);
    assert_eq!(but_overruled(&config).len(), 0);
}

/// R35: what the `*`s of a model stand for comes from those of the name.
#[test]
fn wildcards_have_enough_to_be_filled_with() {
    let list = |entries: &str| config(&format!("model_list: [{entries}]"));
    let all = list(
        "{model_name: 'openai/*', litellm_params: {model: 'openai/*'}},
         {model_name: '*', litellm_params: {model: '*'}},
         {model_name: '*/x-*', litellm_params: {model: 'azure/x'}}",
    );
    assert_eq!(all.left_out.len(), 0);
    assert_eq!(all.deployments[1].provider, Provider::OpenAi);
    let some = list(
        "{model_name: a, litellm_params: {model: o1}},
         {model_name: b, litellm_params: {model: 'openai/*'}},
         {model_name: 'c-*', litellm_params: {model: 'openai/*-*'}}",
    );
    let left: Vec<_> = some
        .left_out
        .iter()
        .map(|one| one.model_name.as_str())
        .collect();
    assert_eq!(left, ["b", "c-*"]);
    assert!(
        some.left_out[0]
            .reason()
            .contains("more `*` than the `model_name`")
    );
}

/// A fallback to a name that a pattern matches leads somewhere.
#[test]
fn targets_may_match_a_wildcard() {
    let fallbacks = "router_settings: {fallbacks: [{'openai/*': [openai/a, other]}]}";
    let config = config(&format!(
        "model_list: [{{model_name: 'openai/*', litellm_params: {{model: 'openai/*'}}}}]\n{fallbacks}"
    ));
    let findings = shown(&config.findings, Severity::Warning);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("`other`"), "{findings:?}");
}

#[test]
fn incomplete_entries() {
    let text = "model_list: [~, x, {}, {model_name: a}, {model_name: a, litellm_params: {}},
                         {litellm_params: {model: o1}}, {model_name: b, litellm_params: {model: o1}}]";
    let config = config(text);
    let reasons = config.left_out.iter().map(ziggurat_config::LeftOut::reason);
    let reasons = reasons.collect::<Vec<_>>();
    let expected = [
        "expected a mapping, found nothing",
        "expected a mapping, found text",
        "has no `litellm_params`",
        "has no `litellm_params`",
        "every deployment needs a model",
        "every entry needs the name of its group",
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason}: {expected}");
    }
}

#[test]
fn slips_of_the_pen_are_pointed_out_and_sent_on() {
    let text = "model_list:
- model_name: a
  litellm_params: {model: o1, api_bsae: x, temprature: 1, foo: 1, top_k: 1, ttl_ms: 2}
";
    let config = config(text);
    let message = "sent to the provider as it is; did you mean";
    assert_eq!(
        shown(&config.findings, Severity::Warning),
        [
            format!("c.yaml:3:31: model_list[0].litellm_params.api_bsae: {message} `api_base`?"),
            format!(
                "c.yaml:3:44: model_list[0].litellm_params.temprature: {message} `temperature`?"
            ),
        ]
    );
    assert_eq!(config.deployments[0].defaults.len(), 5);
}

#[test]
fn inactive_parameters_are_named_and_not_sent() {
    let config = config(
        "model_list: [{model_name: a, litellm_params: {model: o1, tag_regex: [x], priority: 9, \
         litellm_credential_name: x, use_in_pass_through: false}}]",
    );
    let paths = config.findings.iter().map(|finding| finding.path.as_str());
    assert_eq!(
        paths.collect::<Vec<_>>(),
        [
            "model_list[0].litellm_params.tag_regex",
            "model_list[0].litellm_params.priority",
            "model_list[0].litellm_params.litellm_credential_name",
        ]
    );
    assert_eq!(config.deployments[0].defaults.len(), 0);
}

#[test]
fn retain_moves_what_is_refused() {
    let text = "model_list:
- {model_name: a, litellm_params: {model: o1}}
- {model_name: b, litellm_params: {model: groq/x}}
litellm_settings: {fallbacks: [{a: [b]}]}
";
    let mut config = config(text);
    assert_eq!(config.findings, []);
    let usable = |deployment: &ziggurat_config::Deployment| match deployment.provider {
        Provider::OpenAi => Ok(()),
        provider => Err(format!("the provider {provider} is not built in")),
    };
    config.retain(usable).unwrap();
    assert_eq!(config.deployments.len(), 1);
    assert_eq!(
        config.left_out[0].to_string(),
        "deployment `b` is left out: c.yaml:3:3: model_list[1]: the provider groq is not built in"
    );
    let warning =
        "c.yaml:4:37: litellm_settings.fallbacks[0].a[0]: no usable deployment is named `b`";
    assert_eq!(shown(&config.findings, Severity::Warning), [warning]);
    let errors = config.retain(|_| Err("no".to_owned())).unwrap_err();
    assert_eq!((errors.errors.len(), errors.left_out.len()), (1, 2));
    assert_eq!(
        errors.errors[0].to_string(),
        "c.yaml:1:1: model_list: no deployment can be used"
    );
}

#[test]
fn no_usable_deployment_stops_the_start() {
    assert_eq!(
        errors("model_list: []"),
        ["c.yaml:1:1: model_list: no deployment can be used"]
    );
    assert_eq!(
        errors("router_settings: {}"),
        ["c.yaml:1:1: model_list: no deployment can be used"]
    );
    let text = "model_list: [{model_name: a, litellm_params: {model: nobody/x}}]";
    let shown = load(text, &[]).unwrap_err().to_string();
    assert!(
        shown.contains("\ndeployment `a` is left out: c.yaml:1:54: "),
        "{shown}"
    );
}

#[test]
fn nothing_secret_is_shown() {
    let text = "
model_list:
- model_name: a
  litellm_params: {model: o1, api_key: sk-1, aws_secret_access_key: sk-2, messages: [sk-3],
                   extra_headers: {authorization: sk-4}, api_base: 'https://u:sk-5@h.example',
                   rpm: -1, foo: sk-6}
- {model_name: b, litellm_params: {model: o1, api_key: sk-7, aws_x: sk-8, foo: sk-9,
                                   api_base: 'https://u:sk-5@h.example'}}
general_settings: {master_key: sk-10}
environment_variables: {X: sk-11}
router_settings: {model_group_alias: {x: b}, num_retries: 1,
                  fallbacks: [{a: [{model: b, messages: [sk-13]}]}]}
";
    let config = config(text);
    assert!(!format!("{config:?}").contains("sk-"), "{config:?}");
    assert!(config.left_out[0].reason().contains("rpm"));
    let broken = format!("{text}litellm_settings: {{num_retries: sk-12}}");
    let errors = load(&broken, &[]).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains("sk-"), "{errors}");
}

#[test]
fn r6_a_default_of_the_provider_replaces_an_unset_key() {
    let text =
        "model_list: [{model_name: a, litellm_params: {model: o1, api_key: os.environ/MINE}},
                             {model_name: b, litellm_params: {model: o1}}]";
    let loader = |set: &'static str| {
        let loader = Loader::new(move |name| (name == set).then(|| "key".to_owned()));
        loader.env_defaults(|provider, key| match (provider, key) {
            (Provider::OpenAi, "api_key") => &["OPENAI_API_KEY"][..],
            _ => &[],
        })
    };
    let config = loader("OPENAI_API_KEY").from_str(text, "c.yaml").unwrap();
    assert_eq!(
        (
            config.deployments.len(),
            config.deployments[0].api_key.as_ref()
        ),
        (2, None)
    );
    let message = "environment variable `MINE` is not set";
    assert!(shown(&config.findings, Severity::Warning)[0].contains(message));
    let config = loader("OTHER").from_str(text, "c.yaml").unwrap();
    assert_eq!(config.deployments.len(), 1);
    assert!(config.left_out[0].reason().ends_with(message));
    assert_eq!(with_settings("").env("HOME"), None);
}

/// R190, and where the settings of both places and their faults are read.
#[test]
fn signs_of_life_and_mocks() {
    let found = deployment("model: o1, keepalive_seconds: 2.5, mock_response: hi");
    assert_eq!(found.keepalive, Some(Duration::from_millis(2500)));
    assert_eq!(found.mock_response.as_deref(), Some("hi"));
    for wrong in ["0.5", "301"] {
        let reason = refusal(&format!("model: o1, keepalive_seconds: {wrong}"));
        assert!(
            reason.contains("must be between 1 and 300 seconds"),
            "{reason}"
        );
    }
    let all = with_settings(
        "\nlitellm_settings: {sse_keepalive_ping_interval_seconds: 30}\ngeneral_settings: \
         {log_metadata_keys: [a, b], dangerously_allow_mock_testing_request_params: true}\n",
    );
    assert_eq!(all.settings.keepalive, Some(Duration::from_secs(30)));
    assert_eq!(all.general.log_metadata_keys, ["a", "b"]);
    assert!(all.general.allow_mock_response);
    let none = with_settings("");
    assert_eq!(
        (
            none.settings.keepalive,
            none.general.log_metadata_keys.len()
        ),
        (None, 0)
    );
    assert!(!none.general.allow_mock_response);
}

//! What someone who starts the proxy is told about the configuration.

use ziggurat::{Gateway, config::Severity, gateway::Summary};

use crate::support::config;

const MODELS: &str = "
model_list:
- {model_name: a, litellm_params: {model: openai/gpt-4o, api_base: 'http://a', LIMIT}}
- {model_name: a, litellm_params: {model: openai/mine, api_base: 'http://b'}}
- {model_name: c, litellm_params: {model: azure/mine, api_base: 'http://c', api_key: sk-c, api_version: v1}, model_info: {base_model: azure/gpt-4o}}
";

fn notes(settings: &str) -> Vec<String> {
    notes_of(&MODELS.replace(", LIMIT", ""), settings)
}

fn notes_of(models: &str, settings: &str) -> Vec<String> {
    let config = config(&format!("{models}{settings}"), &[]);
    let gateway = Gateway::new(&config).unwrap();
    let shown = gateway.summary().to_string();
    for note in &gateway.summary().notes {
        assert!(shown.contains(&format!("  note: {note}\n")), "{shown}");
    }
    assert!(!shown.contains("sk-"));
    gateway.summary().notes.clone()
}

#[test]
fn nothing_is_noted_where_nothing_can_be_mistaken() {
    assert_eq!(notes(""), [] as [&str; 0]);
}

#[test]
fn what_limits_do() {
    let models = MODELS.replace("LIMIT", "rpm: 6");
    let weigh = "rpm and tpm only weigh: when all have used up their minute, requests go on";
    assert_eq!(notes_of(&models, ""), [weigh]);
    let enforced = notes_of(
        &models,
        "router_settings: {optional_pre_call_checks: [enforce_model_rate_limits]}",
    );
    let limits = "rpm and tpm are limits: when all have used up their minute, requests are refused";
    assert_eq!(enforced, [limits]);
    assert_eq!(
        notes_of(&MODELS.replace("LIMIT", "rpm: 0"), ""),
        [] as [&str; 0]
    );
}

#[test]
fn what_allowed_fails_means() {
    let router = "router_settings: {allowed_fails: 3}";
    let three = "allowed_fails: 3: failure 4 within 60 s begins a cooldown";
    assert_eq!(notes(router), [three]);
    assert_eq!(
        notes("litellm_settings: {allowed_fails: 0, allowed_fails_window: 30}"),
        ["allowed_fails: 0: failure 1 within 30 s begins a cooldown"]
    );
    let own = MODELS.replace("LIMIT", "allowed_fails: 1");
    assert_eq!(
        notes_of(&own, router),
        [
            "allowed_fails: 1 (a (1 of 2)): failure 2 within 60 s begins a cooldown",
            "allowed_fails: 3 (a (1 of 2), c): failure 4 within 60 s begins a cooldown",
        ]
    );
    let off = "router_settings: {allowed_fails: 3, disable_cooldowns: true}";
    assert_eq!(notes(off), [] as [&str; 0]);
}

#[test]
fn which_windows_are_not_known() {
    assert_eq!(
        notes("router_settings: {enable_pre_call_checks: true}"),
        ["context window not known, prompts of any length are sent: a (1 of 2)"]
    );
}

#[test]
fn which_regions_are_not_known() {
    let refused = "region not known, refused for requests that are bound to one: ";
    let bound = notes("router_settings: {allowed_model_region: eu}");
    assert_eq!(bound, [format!("{refused}a, c")]);
    let named = MODELS.replace("LIMIT", "region_name: eu");
    assert_eq!(notes_of(&named, ""), [format!("{refused}a (1 of 2), c")]);
    assert_eq!(
        notes("litellm_settings: {enable_preview: true}"),
        [
            format!("{refused}a"),
            "region not known, refused for requests that are bound to one until an answer tells \
             it: c"
                .to_owned(),
        ]
    );
}

#[test]
fn who_is_checked_and_what_for() {
    let embeds = MODELS.replace("base_model: azure/gpt-4o", "mode: rerank");
    let checks = "general_settings: {background_health_checks: true, health_check_interval: 0.1";
    let routing = format!("{checks}, enable_health_check_routing: true");
    let calls = "health checks call 2 deployment(s) every 1 s";
    let skipped = "not health-checked, by their mode or setting: c";
    let of = |settings: &str| notes_of(&embeds.replace(", LIMIT", ""), settings);
    assert_eq!(of(&format!("{checks}}}")), [calls, skipped]);
    assert_eq!(
        of(&format!(
            "{routing}, health_check_staleness_threshold: 90}}"
        )),
        [
            &format!("{calls}; who fails is passed over for 90 s"),
            skipped
        ]
    );
    let policy = "\nrouter_settings: {allowed_fails_policy: {TimeoutErrorAllowedFails: 1}}";
    assert_eq!(
        of(&format!("{routing}}}{policy}"))[0],
        format!("{calls}; failures count like those of calls (allowed_fails_policy)")
    );
}

#[test]
fn who_lacks_a_key_is_left_out_by_name() {
    let list = "
model_list:
- {model_name: openai, litellm_params: {model: openai/gpt-4o}}
- {model_name: azure, litellm_params: {model: azure/mine, api_base: 'http://c'}}
- {model_name: entra, litellm_params: {model: azure/mine, api_base: 'http://c', tenant_id: t, client_id: i, client_secret: s}}
- {model_name: own, litellm_params: {model: openai/mine, api_base: 'http://a'}}
";
    let gateway = Gateway::new(&config(list, &[])).unwrap();
    let summary = gateway.summary();
    let left_out: Vec<_> = summary.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(
        left_out,
        [
            "deployment `openai` is left out: test.yaml:3:3: model_list[0]: api_key: missing; set \
             it, or OPENAI_API_KEY",
            "deployment `azure` is left out: test.yaml:4:3: model_list[1]: api_key: missing; set \
             it, or AZURE_OPENAI_API_KEY or AZURE_API_KEY or azure_ad_token or tenant_id with \
             client_id and client_secret",
        ]
    );
    let keyless = |summary: &Summary| {
        let findings = summary.findings.iter().map(ToString::to_string);
        findings
            .filter(|finding| finding.contains("without a key"))
            .collect::<Vec<_>>()
    };
    let findings = keyless(summary);
    let said = "is called without a key: neither `api_key` nor OPENAI_API_KEY is set";
    let place = "test.yaml:6:58: model_list[3].litellm_params.api_base";
    assert_eq!(findings, [format!("{place}: {said}")]);
    let keys = ["OPENAI_API_KEY", "AZURE_API_KEY"].map(|name| (name, "sk-1".to_owned()));
    let gateway = Gateway::new(&config(list, &keys)).unwrap();
    assert_eq!(gateway.summary().left_out.len(), 0);
    assert_eq!(keyless(gateway.summary()), [] as [&str; 0]);
}

#[test]
fn regions_that_no_deployment_is_in() {
    let warned = |settings: &str| {
        let gateway = Gateway::new(&config(
            &format!("{MODELS}{settings}").replace("LIMIT", "region_name: westeurope"),
            &[],
        ))
        .unwrap();
        let findings = gateway.summary().findings.iter();
        let warned = findings.filter(|finding| finding.path.ends_with("allowed_model_region"));
        let warned = warned.filter(|finding| finding.severity == Severity::Warning);
        warned.map(ToString::to_string).collect::<Vec<_>>()
    };
    let place = "test.yaml:6:19: router_settings.allowed_model_region";
    assert_eq!(
        warned("router_settings: {allowed_model_region: [us, jp]}"),
        [format!(
            "{place}: no deployment is in us or jp: every request is refused"
        )]
    );
    assert_eq!(
        warned("router_settings: {allowed_model_region: eu}"),
        [format!("{place}: no deployment of `c` is in eu")]
    );
    let learned =
        "router_settings: {allowed_model_region: eu}\nlitellm_settings: {enable_preview: true}";
    assert_eq!(warned(learned), [] as [&str; 0]);
    assert_eq!(warned(""), [] as [&str; 0]);
}

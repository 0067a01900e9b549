//! Parameters for the client of a provider.

mod common;

use common::{config, deployment, shown};
use ziggurat_config::Severity;

/// What is said of a deployment with these `litellm_params`, without places.
fn said(params: &str, severity: Severity) -> Vec<String> {
    let config = config(&format!(
        "model_list: [{{model_name: a, litellm_params: {{{params}}}}}]"
    ));
    let mut said = shown(&config.findings, severity);
    for line in &mut said {
        let (_, text) = line.split_once("litellm_params.").expect(line);
        *line = text.to_owned();
    }
    said
}

#[test]
fn each_provider_is_told_its_own_and_nothing_else() {
    let warnings = |params| said(params, Severity::Warning);
    for fits in [
        "model: bedrock/anthropic.claude-3, aws_region_name: eu-west-1, aws_role_name: r",
        "model: vertex_ai/gemini-pro, vertex_project: p, vertex_credentials: {type: x}",
        "model: azure/x, tenant_id: t, client_id: c, client_secret: s, azure_ad_token: a",
        "model: watsonx/ibm/granite, project_id: p, watsonx_region_name: eu-de, zen_api_key: z",
        "model: o1, allowed_openai_params: [seed], aws_region_name: ''",
    ] {
        assert_eq!(warnings(fits), [] as [&str; 0], "{fits}");
        assert_eq!(said(fits, Severity::NotActive), [] as [&str; 0], "{fits}");
    }
    assert_eq!(
        warnings("model: openai/x, aws_region_name: eu-west-1"),
        ["aws_region_name: has no effect: `openai` does not read it"]
    );
    assert_eq!(
        warnings("model: bedrock/anthropic.claude-3, aws_regoin_name: eu-west-1"),
        ["aws_regoin_name: has no effect; did you mean `aws_region_name`?"]
    );
    assert_eq!(
        warnings("model: vertex_ai/gemini-pro, vertex_locaton: eu"),
        ["vertex_locaton: has no effect; did you mean `vertex_location`?"]
    );
}

#[test]
fn what_nobody_reads_is_not_active_and_not_kept() {
    let params = "model: azure/x, azure_username: u, s3_bucket_name: b";
    let idle: Vec<_> = ["azure_username", "s3_bucket_name"]
        .into_iter()
        .filter(|name| deployment(params).provider_params.get(name).is_some())
        .collect();
    assert_eq!(idle, [] as [&str; 0]);
    assert!(deployment(params).defaults.is_empty());
    let config = config(&format!(
        "model_list: [{{model_name: a, litellm_params: {{{params}}}}}]"
    ));
    let path = "model_list[0].litellm_params";
    assert_eq!(
        shown(&config.findings, Severity::NotActive),
        [
            format!("c.yaml:1:63: not active yet: {path}.azure_username"),
            format!("c.yaml:1:82: not active yet: {path}.s3_bucket_name"),
        ]
    );
}

#[test]
fn digits_are_text_and_one_name_is_a_list_of_one() {
    let found = deployment("model: vertex_ai/gemini-pro, vertex_project: 0123456789");
    assert_eq!(
        found.provider_params.text("vertex_project"),
        Some("0123456789"),
        "as it is written"
    );
    let found = deployment("model: o1, allowed_openai_params: seed");
    let allowed = found.provider_params.get("allowed_openai_params").unwrap();
    assert_eq!(allowed, &serde_json::json!(["seed"]));
}

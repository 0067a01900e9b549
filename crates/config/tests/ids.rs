//! Ids of deployments.

mod common;

use common::{config, deployment};

#[test]
fn r11_a_list_of_organizations_is_one_deployment_each() {
    let text = "model_list: [{model_name: a, litellm_params: {model: o1, organization: [x, y]}}]";
    let config = config(text);
    let found = config.deployments.iter().map(|d| d.organization.as_deref());
    assert_eq!(found.collect::<Vec<_>>(), [Some("x"), Some("y")]);
    assert_ne!(config.deployments[0].id, config.deployments[1].id);
    let one = deployment("model: o1, organization: x");
    assert_eq!(one.id, config.deployments[0].id);
}

#[test]
fn r23_ids_are_stable_and_follow_the_parameters() {
    let id = |params: &str| deployment(params).id;
    let first = id("model: gpt-4o, api_key: sk-1");
    assert_eq!(first, id("model: gpt-4o, api_key: sk-1"));
    assert_ne!(first, id("model: gpt-4o, api_key: sk-2"));
    // sha256("a" + "model" + "gpt-4o" + "api_key" + "sk-1")
    assert_eq!(
        first,
        "0aaa00f3c46abb2c923708128d119de7cc36735ef39c84927dc7461ff76b786f"
    );
    // sha256("amodelo1streamTruestopNonetimeout5")
    assert_eq!(
        id("model: o1, stream: true, stop: ~, timeout: 5"),
        "8bd087689752d29eef3b40c7138720f9086d9c69ee921b2a2d08e9b939ca64ad"
    );
    let text = "model_list: [{model_name: a, litellm_params: {model: o1}, model_info: {id: 12}}]";
    assert_eq!(config(text).deployments[0].id, "12");
}

#[test]
fn r24_generated_duplicates_are_numbered() {
    let entry = "{model_name: a, litellm_params: {model: o1}}";
    let config = config(&format!("model_list: [{entry}, {entry}, {entry}]"));
    let ids = config
        .deployments
        .iter()
        .map(|d| d.id.as_str())
        .collect::<Vec<_>>();
    assert_eq!(
        ids,
        [
            ids[0].to_owned(),
            format!("{}-2", ids[0]),
            format!("{}-3", ids[0])
        ]
    );
}

#[test]
fn ids_are_unique() {
    let text = "model_list:
- {model_name: a, litellm_params: {model: o1, organization: [x, y]}, model_info: {id: same}}
- {model_name: b, litellm_params: {model: o1}, model_info: {id: same-2}}
";
    let config = config(text);
    let ids = config
        .deployments
        .iter()
        .map(|d| d.id.as_str())
        .collect::<Vec<_>>();
    assert_eq!(ids, ["same", "same-2", "same-2-2"]);
}

#[test]
fn r24_explicit_duplicates_name_both() {
    let text = "model_list:
- {model_name: a, litellm_params: {model: o1}, model_info: {id: same}}
- {model_name: b, litellm_params: {model: o1}, model_info: {id: same}}
";
    let config = config(text);
    assert_eq!(config.deployments.len(), 1);
    let reason = config.left_out[0].reason();
    assert_eq!(
        reason,
        "c.yaml:3:65: model_list[1].model_info.id: the id is taken by the deployment at c.yaml:2:65"
    );
}

//! What older API versions of Azure lack, and its tokens.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "`json!` borrows, its callers have no other use for their values"
)]

mod json_tool;

use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind, JsonBody, ModelGroup, json::Document};
use ziggurat_openai::{Builder, Face, OpenAi};
use ziggurat_provider::{Call, Dialect, Outgoing};

fn azure(model: &str, version: &str) -> Builder {
    OpenAi::builder(Face::Azure, model)
        .api_base("https://r.azure.com")
        .api_key("az-very-secret-key")
        .api_version(version)
}

fn prepare(builder: Builder, body: &Value) -> Result<Outgoing, Failure> {
    let document = Document::parse(body.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document));
    request.extensions_mut().insert(ModelGroup::new("group"));
    builder.build().unwrap().prepare(Call::new(&request, &[]))
}

fn sent(builder: Builder, body: &Value) -> Value {
    let outgoing = prepare(builder, body).unwrap();
    serde_json::from_slice(&outgoing.request.into_body().into_bytes()).unwrap()
}

// === tool choices ===

fn choosing(choice: Value) -> Value {
    json!({"model": "g", "tools": [tool("f")], "tool_choice": choice})
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}})
}

#[test]
fn tool_choices_that_a_version_lacks_are_refused_by_name() {
    let all = [
        "\"auto\"",
        "\"none\"",
        "\"required\"",
        r#"{"type":"function","function":{"name":"f"}}"#,
    ];
    let cases: [(&str, &[&str]); 7] = [
        ("2023-07-01-preview", &all),
        ("2023-11-30", &all),
        ("2023-12-01-preview", &all[2..3]),
        ("2024-05-01-preview", &all[2..3]),
        ("2024-06-01", &[]),
        ("preview", &[]),
        ("what-is-this", &[]),
    ];
    for (version, refused) in cases {
        for choice in all {
            let body = choosing(serde_json::from_str(choice).unwrap());
            let result = prepare(azure("d", version), &body);
            assert_eq!(
                result.is_err(),
                refused.contains(&choice),
                "{version} {choice}"
            );
            let Err(failure) = result else { continue };
            assert_eq!(
                (failure.kind(), failure.status().as_u16()),
                (FailureKind::BadRequest, 400)
            );
            assert_eq!(failure.param(), Some("tool_choice"));
            assert!(failure.to_string().contains(version), "{failure}");
        }
    }
}

#[test]
fn they_are_left_out_or_sent_if_told_so() {
    let body = choosing(json!("required"));
    let old = || azure("d", "2024-05-01-preview");
    let got = sent(old().drop_params(true), &body);
    assert_eq!(got, json!({"model": "d", "tools": [tool("f")]}));
    let got = sent(old().allowed_params(["tool_choice"]), &body);
    assert_eq!(got["tool_choice"], "required");
    let mut allowing = body.clone();
    allowing["allowed_openai_params"] = json!(["tool_choice"]);
    let got = sent(old(), &allowing);
    assert_eq!(
        (&got["tool_choice"], got.get("allowed_openai_params")),
        (&json!("required"), None)
    );
}

#[test]
fn what_is_no_choice_of_a_tool_passes() {
    let old = || azure("d", "2023-05-15");
    assert_eq!(
        sent(old(), &choosing(json!(null)))["tool_choice"],
        json!(null)
    );
    let without_tools = json!({"model": "g", "tool_choice": "auto"});
    assert_eq!(sent(old(), &without_tools), json!({"model": "d"}));
    let openai = OpenAi::builder(Face::OpenAi, "m").api_key("sk-very-secret-key");
    assert_eq!(
        sent(
            openai.api_version("2023-05-15"),
            &choosing(json!("required"))
        )["tool_choice"],
        "required"
    );
}

/// The surface without dates has no version to lack something, whatever `api_version` says.
#[test]
fn a_version_that_is_not_sent_sets_no_limits() {
    let builder = azure("d", "2023-05-15").api_base("https://r.azure.com/openai/v1");
    assert_eq!(
        sent(builder, &choosing(json!("required")))["tool_choice"],
        "required"
    );
}

// === tokens ===

#[test]
fn a_token_that_is_to_be_fetched_is_never_sent() {
    let builder = || OpenAi::builder(Face::Azure, "d").api_base("https://r.azure.com");
    let set = builder().azure_ad_token("oidc/google/secret-audience");
    let variable = builder()
        .environment(|name| (name == "AZURE_AD_TOKEN").then(|| "oidc/secret-audience".into()));
    for builder in [set, variable] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.setting(), "azure_ad_token");
        assert!(!error.to_string().contains("secret-audience"));
    }
    let unused = builder()
        .azure_ad_token("oidc/x")
        .api_key("az-very-secret-key");
    assert!(unused.build().is_ok(), "a key comes first");
    assert!(builder().azure_ad_token("ey.oidc/x").build().is_ok());
}

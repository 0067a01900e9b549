//! Requests that must stay in a region.

use http::StatusCode;
use serde_json::json;
use ziggurat_testing::mock::{Running, Script, Step};

use crate::support::{Proxy, upstream};

/// The seed's configuration; the model of Vertex AI is there for its region alone.
const SEED: &str = r#"
router_settings:
  enable_pre_call_checks: true # 1. Enable pre-call checks
model_list:
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/chatgpt-v-2
    api_base: os.environ/AZURE_API_BASE
    api_key: os.environ/AZURE_API_KEY
    api_version: "2023-07-01-preview"
    region_name: "eu" # SET EU-REGION
- model_name: gpt-3.5-turbo
  litellm_params:
    model: gpt-3.5-turbo-1106
    api_base: os.environ/OPENAI
    api_key: os.environ/OPENAI_API_KEY
- model_name: gemini-pro
  litellm_params:
    model: vertex_ai/gemini-pro-1.5
    vertex_project: adroit-crow-1234
    vertex_location: us-east1 # AUTOMATICALLY INFERS 'region_name'
"#;

async fn start(yaml: &str) -> (Proxy, Running, Running) {
    let (azure, openai) = (
        upstream("azure", Script::default()).await,
        upstream("openai", Script::default()).await,
    );
    let environment = [
        ("AZURE_API_BASE", azure.url()),
        ("AZURE_API_KEY", "azure-key".to_owned()),
        ("OPENAI", openai.url()),
        ("OPENAI_API_KEY", "openai-key".to_owned()),
    ];
    let proxy = Proxy::start(yaml, &environment).await;
    (proxy, azure, openai)
}

#[tokio::test(start_paused = true)]
async fn a_request_bound_to_the_eu_goes_to_the_deployment_there() {
    for pre_call_checks in ["true", "false"] {
        let yaml = SEED.replace("checks: true", &format!("checks: {pre_call_checks}"));
        let (proxy, azure, openai) = start(&yaml).await;
        for stream in [false, true] {
            for _ in 0..10 {
                let members = json!({"allowed_model_region": "eu", "stream": stream});
                let answer = proxy.chat("gpt-3.5-turbo", &members).await;
                assert_eq!(answer.content(), "hello from azure");
            }
        }
        assert_eq!((azure.count(), openai.count()), (20, 0));
        let sent = azure.hits()[0].json().unwrap();
        assert!(sent.get("allowed_model_region").is_none() && sent.get("region_name").is_none());
        for _ in 0..60 {
            proxy.chat("gpt-3.5-turbo", &json!({})).await;
        }
        // Either is missed in 60 once in 10^18 runs.
        assert!(azure.count() > 20 && openai.count() > 0);
    }
}

/// R155 BETTER: nobody is asked who is elsewhere; the refusal is 403, says why, and is not retried.
#[tokio::test(start_paused = true)]
async fn without_a_deployment_in_the_region_the_request_is_refused() {
    let (proxy, azure, openai) = start(SEED).await;
    for region in [json!("us"), json!(["us", "ap"])] {
        let answer = proxy
            .chat("gpt-3.5-turbo", &json!({"allowed_model_region": region}))
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "permission_error");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("gpt-3.5-turbo") && message.contains("us"),
            "{message}"
        );
        assert_eq!(answer.header("x-litellm-total-attempts"), "0");
    }
    assert_eq!((azure.count(), openai.count()), (0, 0));
}

/// The filter holds on every hop: a chain leads to who may be asked, never out of the region.
#[tokio::test(start_paused = true)]
async fn fallbacks_stay_in_the_region() {
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/OPENAI, region_name: us-east-1}}
- {model_name: n, litellm_params: {model: openai/x, api_base: os.environ/OPENAI}}
- {model_name: e, litellm_params: {model: openai/x, api_base: os.environ/AZURE_API_BASE, region_name: [eu-west-1, eu-central-1]}}
litellm_settings: {fallbacks: [{m: [n, e]}, {n: [m]}]}
router_settings: {allowed_model_region: eu}";
    let (proxy, azure, openai) = start(yaml).await;
    assert_eq!(
        proxy.chat("m", &json!({})).await.content(),
        "hello from azure"
    );
    // A caller narrows what the operator allows, and does not widen it.
    let wider = json!({"allowed_model_region": ["us", "eu"]});
    assert_eq!(proxy.chat("m", &wider).await.content(), "hello from azure");
    let answer = proxy
        .chat("m", &json!({"allowed_model_region": "us"}))
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // The chain of a hop leads on: from `n` to `m`, and from there to `e`.
    assert_eq!(
        proxy.chat("n", &json!({})).await.content(),
        "hello from azure"
    );
    assert_eq!((azure.count(), openai.count()), (3, 0));
}

/// Azure tells where it has answered; that is believed only where the operator says so.
#[tokio::test(start_paused = true)]
async fn azure_tells_its_region() {
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: azure/x, api_base: os.environ/AZURE_API_BASE, api_key: sk-canary, api_version: v1}}
litellm_settings: {enable_preview: true}";
    for (yaml, learns) in [
        (yaml.to_owned(), true),
        (yaml.replace("true", "false"), false),
    ] {
        let (proxy, azure, _) = start(&yaml).await;
        let told = Step::hello().header(
            http::HeaderName::from_static("x-ms-region"),
            http::HeaderValue::from_static("Sweden Central"),
        );
        azure.set_script([told]);
        let bound = json!({"allowed_model_region": "eu"});
        assert_eq!(proxy.chat("m", &bound).await.status, StatusCode::FORBIDDEN);
        assert_eq!(proxy.chat("m", &json!({})).await.status, StatusCode::OK);
        let status = if learns {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(proxy.chat("m", &bound).await.status, status);
    }
}

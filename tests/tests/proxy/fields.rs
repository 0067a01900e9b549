//! Members of request bodies that are for the gateway (R182, R183): none of them goes upstream, on any endpoint, on any hop.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use ziggurat_testing::mock::{Running, Step};

use crate::support::{Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, region_name: eu}}
- {model_name: broken, litellm_params: {model: openai/x, api_base: os.environ/B, region_name: eu}}
litellm_settings: {num_retries: 0}
router_settings: {disable_cooldowns: true}";

const ENDPOINTS: [(&str, &str); 3] = [
    ("/chat/completions", "messages"),
    ("/completions", "prompt"),
    ("/embeddings", "input"),
];

/// Of each a value that is taken, and whether the response says that it has no effect.
fn fields() -> Vec<(&'static str, Value, bool)> {
    let effective = json!({
        "fallbacks": ["m"], "context_window_fallbacks": [{"m": ["m"]}], "content_policy_fallbacks": [{"m": ["m"]}],
        "disable_fallbacks": false, "include_fallback_errors": true, "num_retries": 0, "timeout": 9, "request_timeout": 9,
        "stream_timeout": 9, "keepalive_seconds": 1, "tags": ["a"], "metadata": {"a": 1}, "litellm_metadata": {"a": 1}, "allowed_model_region": "eu",
        "model_info": {"id": "z"}, "rpm": 1, "tpm": 1, "weight": 1, "order": 1, "max_parallel_requests": 1, "region_name": "us",
        "specific_deployment": true, "fallback_depth": 1, "litellm_call_id": "x", "_litellm_internal": 1, "mock_response": "no",
    });
    let ignored = json!({
        "max_retries": 1, "retry_policy": {}, "model_group_retry_policy": {}, "cooldown_time": 1, "routing_strategy": "x",
        "enable_tag_filtering": true, "priority": 1, "caching": true, "cache": {}, "ttl": 1, "drop_params": true,
        "api_version": "1", "max_fallbacks": 1, "fastest_response": true, "api_key": "sk-caller",
        "client_secret": "sk-caller", "organization": "o",
    });
    let list = |fields: &Value, is_ignored: bool| {
        let fields: Map<String, Value> = fields.as_object().unwrap().clone();
        let named = fields.into_iter().map(move |(name, value)| {
            let name: &'static str = name.leak();
            (name, value, is_ignored)
        });
        named.collect::<Vec<_>>()
    };
    [list(&effective, false), list(&ignored, true)].concat()
}

async fn start() -> (Proxy, Running) {
    let a = upstream("a", [Step::hello()]).await;
    let failing = Step::error(StatusCode::INTERNAL_SERVER_ERROR);
    let b = upstream("b", [failing]).await;
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a)
}

/// What an endpoint is asked, with one more member.
fn body(model: &str, prompt: &str, name: &str, value: &Value) -> Value {
    json!({"model": model, prompt: [{"role": "user", "content": "hi"}], name: value})
}

#[tokio::test]
async fn what_is_for_the_gateway_does_not_go_upstream() {
    let (proxy, a) = start().await;
    for (path, prompt) in ENDPOINTS {
        for (name, value, is_ignored) in fields() {
            for model in ["m", "broken"] {
                let mut asked = body(model, prompt, name, &value);
                if model == "broken" && name != "disable_fallbacks" {
                    asked["fallbacks"] = json!(["m"]);
                } else if model == "broken" {
                    continue;
                }
                let request = proxy.request(Method::POST, path, asked.to_string());
                let answer = proxy.call(request).await;
                let case = format!("{path} {name} {model}: {}", answer.text);
                assert_eq!(answer.status, 200, "{case}");
                let ignored = answer.header("x-ziggurat-ignored");
                assert_eq!(ignored == name, is_ignored, "{case}: {ignored}");
                let sent = a.hits().pop().unwrap().json().unwrap();
                let sent: Vec<_> = sent.as_object().unwrap().keys().cloned().collect();
                let mut expected = vec!["model", prompt];
                expected.sort_unstable();
                assert_eq!(sent, expected, "{case}");
            }
        }
    }
}

/// A caller's credentials may be for another provider than the one that is asked.
#[tokio::test]
async fn settings_of_providers_are_the_operators() {
    let (proxy, a) = start().await;
    for (name, family) in [
        ("aws_secret_access_key", "aws_*"),
        ("azure_ad_token", "azure_*"),
        ("vertex_credentials", "vertex_*"),
        ("watsonx_token", "watsonx_*"),
    ] {
        let answer = proxy.chat("m", &json!({name: "sk-caller"})).await;
        assert_eq!(answer.header("x-ziggurat-ignored"), family);
        let sent = a.hits().pop().unwrap();
        assert!(!String::from_utf8_lossy(sent.body()).contains("sk-caller"));
    }
    for name in [
        "api_base",
        "base_url",
        "aws_bedrock_runtime_endpoint",
        "aws_sts_endpoint",
        "watsonx_url",
    ] {
        let before = a.count();
        let answer = proxy.chat("m", &json!({name: "http://elsewhere"})).await;
        assert_eq!(answer.json()["error"]["param"], name);
        assert_eq!((answer.status.as_u16(), a.count()), (400, before));
    }
}
